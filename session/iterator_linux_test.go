package session_test

import (
	"strconv"
	"testing"

	"github.com/netpolltrace/netpolltrace/wait"
)

// Whoever pulls from an iterator waits for its body, whose goroutine the runtime
// started.
func TestWaitsOfAnIteratorsBodyAreNotIdle(t *testing.T) {
	const rounds = 20
	program := launch(t, "iterator")
	r := attach(t, program.PID(), settings{mode: wait.ModeAll})
	do(t, program, "run", strconv.Itoa(rounds))
	r.end(t)
	closes(t, program)
	r.complete(t)
	sleeps, workers := 0, 0
	for i := range r.Waits {
		w := &r.Waits[i]
		switch {
		case w.StartFunc == "runtime.corostart" && w.Reason == "sleep":
			sleeps++
			if w.Idle != wait.Unmeasured {
				t.Errorf("idle %v of a sleep in the body", w.Idle)
			}
		case wait.SystemGoroutine(w.StartFunc, w.Reason):
			workers++
			if w.Idle < 0 {
				t.Errorf("a wait of the runtime's own goroutine is not idle: %+v", *w)
			}
		}
	}
	if sleeps != rounds || workers == 0 {
		t.Errorf("%d sleeps in the body, want %d; %d waits of the runtime's goroutines, want some", sleeps, rounds, workers)
	}
}
