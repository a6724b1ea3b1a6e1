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

// TestGolden renders recordings made by hand. Each file is named after the
// command that would make it, and after the recording where that is another
// than checkout's.
func TestGolden(t *testing.T) {
	by := func(keys ...report.Key) report.Options { return report.Options{By: keys} }
	plain := render.Options{Width: 100}
	tests := []struct {
		name      string
		recording *recording
		options   report.Options
		format    string
		render    render.Options
		findings  bool
	}{
		{"report.width-60", checkout(), report.Options{}, "table", render.Options{Width: 60}, true},
		{"report.width-80", checkout(), report.Options{}, "table", render.Options{Width: 80}, true},
		{"report.width-120", checkout(), report.Options{}, "table", render.Options{Width: 120}, true},
		{"report.width-200", checkout(), report.Options{}, "table", render.Options{Width: 200}, true},
		{"report.color", checkout(), report.Options{}, "table", render.Options{Width: 80, Color: true}, true},
		{"report", checkout(), report.Options{}, "table", render.Options{}, true},
		{"report.idle", checkout(), report.Options{Idle: true}, "table", plain, false},
		{"report.top-1", checkout(), report.Options{}, "table", render.Options{Width: 100, Top: 1}, false},
		{"report.by-goroutine", checkout(), by(report.KeyGoroutine), "table", plain, false},
		{"report.by-goroutine.format-markdown", checkout(), by(report.KeyGoroutine), "markdown", plain, false},
		{"report.format-markdown", checkout(), report.Options{}, "markdown", plain, true},
		{"report.by-stack", checkout(), by(report.KeyStack), "table", plain, false},
		{"report.by-line", checkout(), by(report.KeyLine), "table", plain, false},
		{"report.by-cause", checkout(), by(report.KeyCause), "table", plain, false},
		{"report.by-peer_ip,op,outcome", checkout(), by(report.KeyPeerIP, report.KeyOp, report.KeyOutcome), "table", plain, false},
		{"report.format-json", checkout(), report.Options{}, "json", render.Options{}, true},
		{"report.by-goroutine.format-json", checkout(), by(report.KeyGoroutine), "json", render.Options{}, false},
		{"report.format-csv", checkout(), report.Options{}, "csv", render.Options{}, false},
		{"report.format-folded", checkout(), by(report.KeyStack), "folded", render.Options{}, false},
		{"report.by-peer,stack.format-folded.value-sched", checkout(), by(report.KeyPeer, report.KeyStack), "folded", render.Options{Value: "sched"}, false},
		{"ps", parked(), byOpen(), "open", render.Options{Width: 80}, false},

		{"all-mode.report", allMode(), report.Options{}, "table", plain, false},
		{"worker.report.by-cause", worker(), by(report.KeyCause), "table", plain, false},
		{"all-mode.report.by-reason", allMode(), by(report.KeyReason), "table", plain, false},
		{"service.report", service(), report.Options{}, "table", plain, false},
		{"service.report.width-80", service(), report.Options{}, "table", render.Options{Width: 80}, false},
		{"service.report.idle", service(), report.Options{Idle: true}, "table", plain, false},
		{"service.report.by-for", service(), by("for"), "table", plain, false},
		{"service.report.by-entry,peer", service(), by("entry", report.KeyPeer), "table", plain, false},
		{"service.report.by-cause", service(), by("cause"), "table", plain, false},
		{"service.report.format-markdown", service(), report.Options{}, "markdown", plain, false},
		{"service.report.format-json", service(), report.Options{}, "json", render.Options{}, false},
		{"light-mode.report", lightMode(), report.Options{}, "table", render.Options{Width: 80}, false},
		{"light-mode.report.width-120", lightMode(), report.Options{}, "table", render.Options{Width: 120}, false},
		{"incomplete.report", incomplete(), report.Options{}, "table", plain, false},
		{"report.by-entry", checkout(), by(report.KeyEntry), "table", plain, false},
		{"incomplete.report.by-poller", incomplete(), by(report.KeyPoller), "table", plain, false},
		{"unmeasured.report", unmeasured(), report.Options{}, "table", plain, false},
		{"unmeasured.report.format-json", unmeasured(), report.Options{}, "json", render.Options{}, false},
		{"empty.report", newRecording("io"), report.Options{}, "table", plain, false},
		{"empty.report.format-markdown", newRecording("io"), report.Options{}, "markdown", plain, false},
		{"empty.report.format-json", newRecording("io"), report.Options{}, "json", render.Options{}, false},
		{"empty.report.format-csv", newRecording("io"), report.Options{}, "csv", render.Options{}, false},
		{"only-idle.report", onlyIdle(), report.Options{}, "table", plain, false},
		{"only-open.report.by-own", onlyOpen(), by(report.KeyOwn), "table", plain, false},
		{"handoffs-paused.report", handoffsPaused(), report.Options{}, "table", plain, false},
		{"only-open.report", onlyOpen(), report.Options{}, "table", plain, false},
		{"lossy.report", lossy(), report.Options{}, "table", plain, false},
		{"lossy.report.format-markdown", lossy(), report.Options{}, "markdown", plain, false},
		{"lossy.report.format-json", lossy(), report.Options{}, "json", render.Options{}, false},
		{"several.report", several(), by("process", "pid"), "table", plain, false},
		{"several.report.format-json", several(), by("process", "pid"), "json", render.Options{}, false},
		{"groups.report", manyGroups(), report.Options{By: []report.Key{report.KeyGoroutine}, MaxGroups: 25}, "table", plain, false},
		{"groups.report.format-csv", manyGroups(), report.Options{By: []report.Key{report.KeyGoroutine}, MaxGroups: 2}, "csv", render.Options{}, false},
		{"hostile.report", hostile(), report.Options{}, "table", render.Options{Width: 80}, false},
		{"hostile.report.format-markdown", hostile(), report.Options{}, "markdown", plain, false},
		{"hostile.report.format-json", hostile(), report.Options{}, "json", render.Options{}, false},
		{"hostile.report.format-csv", hostile(), report.Options{}, "csv", render.Options{}, false},
		{"hostile.report.format-folded", hostile(), by(report.KeyPeer, report.KeyStack), "folded", render.Options{}, false},
		{"hostile.ps", hostile(), byOpen(), "open", render.Options{Width: 80}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if !test.recording.cut {
				test.recording.end()
			}
			r := test.recording.build(t, test.options)
			if test.findings {
				r.Findings = checkoutFindings()
			}
			golden(t, test.name, rendered(t, r, test.format, test.render))
		})
	}
}

// byOpen is what the ps command groups by.
func byOpen() report.Options {
	return report.Options{By: []report.Key{report.KeyReason, report.KeyPeer, report.KeyStack}, Sort: "open", FDs: true}
}
