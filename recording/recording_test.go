package recording

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
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

// The columns are a promise to users: a line of this list never changes.
func TestColumnsKeepTheirPromise(t *testing.T) {
	word := func(index string) string { return "dictionary<values=utf8, indices=" + index + ", ordered=false>" }
	want := []string{
		"kind " + word("int8"),
		"start timestamp[ns, tz=UTC]",
		"total_ns int64 null",
		"network_ns int64 null",
		"netpoll_ns int64 null",
		"blocked_ns int64 null",
		"sched_ns int64 null",
		"idle_ns int64 null",
		"host " + word("int16"),
		"process " + word("int16"),
		"pid int32",
		"goid uint64 null",
		"waker_goid uint64 null",
		"reason " + word("int16") + " null",
		"op " + word("int8") + " null",
		"outcome " + word("int8") + " null",
		"fd int32 null",
		"proto " + word("int8") + " null",
		"role " + word("int8") + " null",
		"local " + word("int16") + " null",
		"peer " + word("int16") + " null",
		"rtt_us uint32 null",
		"min_rtt_us uint32 null",
		"retransmits uint32 null",
		"poller " + word("int8") + " null",
		"p int32 null",
		"tid int32 null",
		"started_before bool null",
		"count uint64",
		"event " + word("int8") + " null",
		"note " + word("int16") + " null",
		"start_func " + word("int16") + " null",
		"line " + word("int16") + " null",
		"stack " + word("int16") + " null",
		"stack_lines " + word("int16") + " null",
	}
	var got []string
	for _, f := range schemaFor(columns(), arrow.Metadata{}).Fields() {
		null := ""
		if f.Nullable {
			null = " null"
		}
		got = append(got, fmt.Sprintf("%s %s%s", f.Name, f.Type, null))
	}
	if !slices.Equal(got, want) {
		t.Errorf("columns are\n%q\nwant\n%q", got, want)
	}
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
		put(t, w.Event(&got.events[1]))
	})
	if !bytes.Equal(file, again) {
		t.Error("a recording that was read and written again differs")
	}
}
