package render_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/netpolltrace/netpolltrace/report"
	"github.com/netpolltrace/netpolltrace/report/render"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares with testdata/NAME.golden, which is named after the command
// that makes it.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (go test -update makes it)", err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs.\ngot:\n%s\nwant:\n%s", path, got, want)
	}
}

func rendered(t *testing.T, r *report.Report, format string, o render.Options) []byte {
	t.Helper()
	f, err := render.ByName(format)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := f.Render(&out, r, o); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestGolden(t *testing.T) {
	by := func(keys ...report.Key) report.Options { return report.Options{By: keys} }
	tests := []struct {
		name      string
		recording *recording
		options   report.Options
		format    string
		render    render.Options
	}{
		{"report.width-80", finished(checkout()), report.Options{}, "table", render.Options{Width: 80}},
	}
	_ = by
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := test.recording.build(t, test.options)
			r.Findings = checkoutFindings()
			golden(t, test.name, rendered(t, r, test.format, test.render))
		})
	}
}

func finished(r *recording) *recording {
	r.end()
	return r
}
