package recording

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/netpolltrace/netpolltrace/wait"
)

func TestWhatIsWrittenIsRead(t *testing.T) {
	r, got := read(t, sampleFile(t))
	want := collected{waits: sampleWaits(), events: sampleEvents()}
	if !slices.Equal(got.lines(), want.lines()) {
		t.Errorf("read\n%q\nwant\n%q", got.lines(), want.lines())
	}
	if !reflect.DeepEqual(r.Meta(), sampleMeta()) {
		t.Errorf("read meta\n%+v\nwant\n%+v", r.Meta(), sampleMeta())
	}
	if r.Damage() != nil {
		t.Errorf("a whole recording is said to be damaged: %v", r.Damage())
	}
}

func TestHandoffsAreRead(t *testing.T) {
	handoff := wait.Empty()
	handoff.Kind, handoff.Start, handoff.Goid, handoff.WakerGoid = wait.KindHandoff, begin.UnixNano(), 17, 18
	r, got := read(t, write(t, Options{}, func(w *Writer) { put(t, w.Wait(&handoff), w.Event(endOf())) }))
	if len(got.waits) != 1 || got.waits[0] != handoff || r.Damage() != nil {
		t.Errorf("read %+v, want %+v; damage %v", got.waits, handoff, r.Damage())
	}
}

// The table of docs/recording-format.md is the promise to users: a row of it
// never changes. A column is not to be had without its row.
func TestColumnsAreThoseOfTheDocumentation(t *testing.T) {
	document, err := os.ReadFile(filepath.Join("..", "docs", "recording-format.md"))
	put(t, err)
	var promised []string
	row := regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| ([^|]+?) \\|[^|]*\\|[^|]*\\| ([^|]+?) \\|$")
	for _, match := range row.FindAllStringSubmatch(string(document), -1) {
		null := ""
		if match[3] != "never" {
			null = " null"
		}
		promised = append(promised, match[1]+" "+match[2]+null)
	}
	var got []string
	for _, f := range schemaFor(columns(), arrow.Metadata{}).Fields() {
		null := ""
		if f.Nullable {
			null = " null"
		}
		got = append(got, f.Name+" "+documented(f.Type)+null)
	}
	if !slices.Equal(got, promised) {
		t.Errorf("columns are\n%s\nand docs/recording-format.md has\n%s", strings.Join(got, "\n"), strings.Join(promised, "\n"))
	}
}

// documented is how the documentation writes a type.
func documented(t arrow.DataType) string {
	switch t := t.(type) {
	case *arrow.DictionaryType:
		return "dictionary, " + t.IndexType.String()
	case *arrow.TimestampType:
		return "timestamp[ns, UTC]"
	}
	return t.String()
}

// Every count of rows around the sizes of a block and of a batch.
func TestNoRowIsLostAtTheEdgeOfABlock(t *testing.T) {
	for _, n := range []int{0, 1, 63, 64, 65, 128, batchRows - 1, batchRows, batchRows + 1} {
		file := write(t, Options{}, func(w *Writer) {
			for i := range n {
				wt := sampleWaits()[i%3]
				wt.Goid = uint64(i)
				put(t, w.Wait(&wt))
			}
			put(t, w.Event(endOf()))
		})
		r, got := read(t, file)
		if len(got.waits) != n || r.Damage() != nil {
			t.Fatalf("%d waits written, %d read, damage %v", n, len(got.waits), r.Damage())
		}
		for i, w := range got.waits {
			if w.Goid != uint64(i) || w.Peer != sampleWaits()[i%3].Peer || w.HasTCP != sampleWaits()[i%3].HasTCP {
				t.Fatalf("wait %d of %d came back as %+v", i, n, w)
			}
		}
	}
}

func TestEqualStacksAreOnePointer(t *testing.T) {
	_, got := read(t, sampleFile(t))
	if got.waits[0].Stack != got.waits[2].Stack {
		t.Error("the same stack in two batches came back as two pointers")
	}
	if got.waits[0].Process != got.waits[2].Process {
		t.Error("the same process in two batches came back as two pointers")
	}
}

func TestReadingAndWritingAgainGivesTheSameBytes(t *testing.T) {
	file := sampleFile(t)
	again := write(t, Options{}, func(w *Writer) {
		_, got := read(t, file)
		put(t, w.Wait(&got.waits[0]), w.Wait(&got.waits[1]), w.Flush())
		put(t, w.Wait(&got.waits[2]), w.Event(&got.events[0]), w.Flush())
		put(t, w.Event(&got.events[1]), w.Event(&got.events[2]))
	})
	if !bytes.Equal(file, again) {
		t.Error("a recording that was read and written again differs")
	}
}
