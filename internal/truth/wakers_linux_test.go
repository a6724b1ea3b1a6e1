package truth_test

import (
	"fmt"
	"go/version"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/netpolltrace/netpolltrace/internal/testprogram"
	"github.com/netpolltrace/netpolltrace/internal/truth"
	"github.com/netpolltrace/netpolltrace/wait"
)

// wakersTest records a command of the program "wakers" at a path and judges what
// it finds; parents tells whether the program's Go knows who started a goroutine.
type wakersTest struct {
	name string
	run  func(t *testing.T, path string, parents bool)
}

var wakersTests = []wakersTest{
	{"who ends a wait, from where", whoEndsAWait},
	{"one that starts later", aWakerThatStartsLater},
	{"timers", timersOnGoroutines},
	{"time preempted", timePreempted},
}

func TestWakers(t *testing.T) {
	path := build(t, "wakers")
	for _, test := range wakersTests {
		t.Run(test.name, func(t *testing.T) { test.run(t, path, true) })
	}
}

// TestWakersOfReleases does the same to programs built by other releases of Go.
func TestWakersOfReleases(t *testing.T) {
	for _, release := range testprogram.Releases(t) {
		t.Run(release, func(t *testing.T) {
			path, err := testprogram.Build{Go: release}.Program(t.Context(), "wakers", t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			parents := version.Compare(release, "go1.21") >= 0
			for _, test := range wakersTests {
				t.Run(test.name, func(t *testing.T) { test.run(t, path, parents) })
			}
		})
	}
}

// wakers is what was recorded of a command of the program: the waits of the
// goroutine that it names, and what it said.
func wakers(t *testing.T, path string, command ...string) ([]wait.Wait, testprogram.Result, *recording) {
	t.Helper()
	program := start(t, path)
	defer program.Close()
	r, did := record(t, program, wait.ModeAll, command)
	var waits []wait.Wait
	for _, w := range r.Waits {
		if strconv.FormatUint(w.Goid, 10) == did["goid"] && w.Kind == wait.KindWait {
			waits = append(waits, w)
		}
	}
	return waits, did, r
}

// line is the number in "file:line".
func line(at string) string { return at[strings.LastIndexByte(at, ':')+1:] }

func number(t *testing.T, text string) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func whoEndsAWait(t *testing.T, path string, parents bool) {
	waits, did, _ := wakers(t, path, "send")
	parent := did["parent"]
	if !parents {
		parent = "0"
	}
	lines := make(map[string]uint64)
	for _, w := range waits {
		if line(w.CreatorLine) != did["creator_line"] || fmt.Sprint(w.ParentGoid) != parent {
			t.Errorf("started at %s by %d, want line %s by %s", w.CreatorLine, w.ParentGoid, did["creator_line"], parent)
		}
		if w.Reason != "chan receive" {
			continue
		}
		if fmt.Sprint(w.WakerGoid) != did["waker"] || w.ByTimer {
			t.Errorf("goroutine %d ended the wait (timer: %v), want %s", w.WakerGoid, w.ByTimer, did["waker"])
		}
		if !strings.Contains(w.WakerLine, "wakers/main.go:") {
			t.Errorf("it was at %q, want a line of the program", w.WakerLine)
		}
		lines[line(w.WakerLine)]++
	}
	for _, l := range []string{did["first_line"], did["second_line"]} {
		if lines[l] != number(t, did["rounds"]) {
			t.Errorf("%d waits ended by line %s, want %s; there are %v", lines[l], l, did["rounds"], lines)
		}
	}
}

func aWakerThatStartsLater(t *testing.T, path string, parents bool) {
	waits, did, _ := wakers(t, path, "late")
	parent := did["parent"]
	if !parents {
		parent = "0"
	}
	late := uint64(0)
	for _, w := range waits {
		if w.WakerStarted == wait.Unmeasured {
			continue
		}
		late++
		if w.WakerStarted <= 0 || w.WakerStarted > w.Blocked || fmt.Sprint(w.WakerParentGoid) != parent {
			t.Errorf("the waker started after %v of %v, by %d; want that within, by %s", w.WakerStarted, w.Blocked, w.WakerParentGoid, parent)
		}
	}
	if late != number(t, did["rounds"]) {
		t.Errorf("%d waits ended by goroutines that started later, want %s", late, did["rounds"])
	}
}

// timersOnGoroutines: that a deadline of a context is told by a goroutine does not
// make it less of a timer.
func timersOnGoroutines(t *testing.T, path string, _ bool) {
	for _, command := range []string{"deadline", "channel"} {
		waits, _, _ := wakers(t, path, command)
		ended := 0
		for _, w := range waits {
			if w.Total > 15*time.Millisecond {
				ended++
				if !w.ByTimer {
					t.Errorf("%s: ended by goroutine %d at %s, want a timer", command, w.WakerGoid, w.WakerLine)
				}
			}
		}
		if ended != 1 {
			t.Errorf("%s: %d long waits, want 1: %+v", command, ended, waits)
		}
	}
}

// timePreempted: what a goroutine that computes lost to others is in its own next
// wait, and in that which it ends.
func timePreempted(t *testing.T, path string, _ bool) {
	file := filepath.Join(t.TempDir(), "trace")
	waits, did, r := wakers(t, path, "busy", "10", file)
	trace, err := truth.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var traced, own, asWaker time.Duration
	worker := number(t, did["waker"])
	for _, w := range trace.Waits {
		if w.Goid == worker && w.Reason == "sleep" {
			traced += w.Preempted
		}
	}
	for _, w := range r.Waits {
		if w.Goid == worker && w.Reason == wait.ReasonSleep {
			own += w.Preempted
		}
	}
	for _, w := range waits {
		if w.WakerGoid == worker {
			asWaker += w.WakerPreempted
		}
	}
	if traced < 100*time.Millisecond {
		t.Fatalf("the trace has %v, want more: the program does not do what it should", traced)
	}
	for what, ours := range map[string]time.Duration{"own": own, "as waker": asWaker} {
		if off := (ours - traced).Abs(); off > traced/50 {
			t.Errorf("%s: %v, the trace has %v", what, ours, traced)
		}
	}
}
