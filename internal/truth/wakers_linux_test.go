package truth_test

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/netpolltrace/netpolltrace/internal/testprogram"
	"github.com/netpolltrace/netpolltrace/internal/truth"
	"github.com/netpolltrace/netpolltrace/wait"
)

// wakers is what was recorded of a command of the program "wakers": the waits of
// the goroutine that it names, and what it said.
func wakers(t *testing.T, command ...string) ([]wait.Wait, testprogram.Result, *recording) {
	t.Helper()
	program := start(t, build(t, "wakers"))
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

func TestWhoEndsAWaitAndWhoStartedTheGoroutine(t *testing.T) {
	waits, did, _ := wakers(t, "send")
	lines := make(map[string]uint64)
	for _, w := range waits {
		if line(w.CreatorLine) != did["creator_line"] || fmt.Sprint(w.ParentGoid) != did["parent"] {
			t.Errorf("started at %s by %d, want line %s by %s", w.CreatorLine, w.ParentGoid, did["creator_line"], did["parent"])
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

func TestAWakerThatStartsLater(t *testing.T) {
	waits, did, _ := wakers(t, "late")
	late := uint64(0)
	for _, w := range waits {
		if w.WakerStarted == wait.Unmeasured {
			continue
		}
		late++
		if w.WakerStarted <= 0 || w.WakerStarted > w.Blocked || fmt.Sprint(w.WakerParentGoid) != did["parent"] {
			t.Errorf("the waker started after %v of %v, by %d; want that within, by %s", w.WakerStarted, w.Blocked, w.WakerParentGoid, did["parent"])
		}
	}
	if late != number(t, did["rounds"]) {
		t.Errorf("%d waits ended by goroutines that started later, want %s", late, did["rounds"])
	}
}

func TestTimersThatRunOnAGoroutineAreTimers(t *testing.T) {
	for _, command := range []string{"deadline", "channel"} {
		waits, _, _ := wakers(t, command)
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

// What a goroutine that computes lost to others is in its own next wait, and in
// that which it ends.
func TestTimeThatAWakerWasPreempted(t *testing.T) {
	file := filepath.Join(t.TempDir(), "trace")
	waits, did, r := wakers(t, "busy", "10", file)
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
