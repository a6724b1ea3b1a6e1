package recording

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/ipc"
)

var update = flag.Bool("update", false, "write the files of testdata/recordings anew")

// damagedFiles are the files of testdata/recordings: how each is made of an intact
// recording, and what is said of it.
func damagedFiles(t *testing.T) []damagedFile {
	intact, _ := rowsOf(t)
	ends := segmentEnds(t, intact)
	flipped := bytes.Clone(intact)
	flipped[(ends[1]+ends[2])/2] ^= 1
	changed := bytes.Clone(intact)
	changed[bytes.Index(changed, []byte("web-1"))] = 'W'
	newer := forge(t, []string{"kind", "start", "total_ns"}, nil, withFormat(metadataOf(t), "2"))
	return []damagedFile{
		{"intact", intact, 3, ""},
		{"copied", foreign{options: []ipc.Option{ipc.WithZstd()}, column: plain(arrow.BinaryTypes.String)}.rewrite(t, intact), 3, ""}, // by another tool
		{"killed", intact[:ends[1]], 2, "without its end"},
		{"cut", intact[:ends[1]+1000], 2, "cut off after"},
		{"cut-at-once", intact[:ends[0]], 0, "without its end"},
		{"cut-in-schema", intact[:1000], 0, "holds no waits"},
		{"flipped", flipped, 2, "do not match their checksum"},
		{"flipped-in-schema", changed, 0, "do not match their checksum"},
		{"missing-batch", slices.Concat(intact[:ends[0]], intact[ends[1]:]), 0, "do not match their checksum"},
		{"trailing", append(bytes.Clone(intact), "more"...), 3, "bytes follow the end"},
		{"newer", newer, 0, "update it"},
		{"text", []byte("goid,total_ns\n17,100\n"), 0, "it is not a recording"},
		{"empty", nil, 0, "it is empty"},
	}
}

type damagedFile struct {
	name  string
	bytes []byte
	waits int    // how many can be read
	want  string // part of what is said; nothing is said of an intact file
}

// The files are for the tests of other packages and for trying commands by
// hand. They are kept, not made anew each time, so that this also tests that
// files of earlier versions can be read. `go test ./recording -run
// TestDamagedFiles -update` makes them.
func TestDamagedFiles(t *testing.T) {
	for _, d := range damagedFiles(t) {
		path := filepath.Join("..", "testdata", "recordings", d.name+Extension)
		if *update {
			put(t, os.WriteFile(path, d.bytes, 0o644))
		}
		file, err := os.ReadFile(path)
		put(t, err)
		said := ""
		waits := new(collected)
		r, err := NewReader(bytes.NewReader(file), Limits{})
		if err != nil {
			said = err.Error()
		} else {
			put(t, r.Run(t.Context(), waits))
			if r.Damage() != nil {
				said = r.Damage().Error()
			}
		}
		if len(waits.waits) != d.waits || !strings.Contains(said, d.want) || (said == "") != (d.want == "") {
			t.Errorf("%s: %d waits and %q, want %d and %q", d.name, len(waits.waits), said, d.waits, d.want)
		}
	}
}
