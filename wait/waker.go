package wait

import (
	"strings"
	"time"
)

// Waker is what a source knows of who made a goroutine runnable, other than
// the netpoller.
type Waker struct {
	Goid uint64 // 0: no goroutine did
	PID  int32  // its process; 0 when not known
	Line string // "file:line" where it was; empty when not known
	// RanTimer: it was running a timer ([Stack.RunsTimer]), or a timer started it
	// ([StartsForTimer]).
	RanTimer   bool
	ParentGoid uint64        // who started it; 0 when not known
	Started    int64         // when it ran first, as times in [Moments]; 0 if not seen
	Preempted  time.Duration // as [Wait.WakerPreempted]
}

// timerRuns are the functions that the runtime runs timers in: those of Go 1.23
// and newer, then those before. See
// https://github.com/golang/go/blob/go1.26.0/src/runtime/time.go.
var timerRuns = [...]string{
	"runtime.(*timer).unlockAndRun", "runtime.(*timer).maybeRunChan", "runtime.(*timers).run",
	"runtime.runOneTimer", "time.sendTime",
}

// RunsTimer tells whether a goroutine with this stack runs a timer. Since Go
// 1.23 one that uses the channel of a timer may have to.
func (s *Stack) RunsTimer() bool {
	for function := range strings.SplitSeq(s.Funcs, separator) {
		for _, run := range timerRuns {
			if function == run {
				return true
			}
		}
	}
	return false
}

// StartsForTimer tells whether a function starts goroutines for timers only:
// those of time.AfterFunc, and so of the deadlines of contexts.
func StartsForTimer(function string) bool { return function == "time.goFunc" }

// fill tells a wait that began at park who made its goroutine runnable. Where
// none did, a timer did, but for the runtime's own goroutines, which the scheduler
// makes runnable.
func (k *Waker) fill(w *Wait, park int64) {
	w.ByTimer = k.RanTimer || k.Goid == 0 && !SystemGoroutine(w.StartFunc, w.Reason)
	if k.Goid == 0 {
		return
	}
	w.WakerGoid, w.WakerPID, w.WakerLine, w.WakerParentGoid = k.Goid, k.PID, k.Line, k.ParentGoid
	w.WakerPreempted = k.Preempted
	if k.Started > park {
		w.WakerStarted = time.Duration(k.Started - park)
	}
}
