package truth

import (
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"sort"
	"strings"
	"time"

	"golang.org/x/exp/trace"

	"github.com/netpolltrace/netpolltrace/wait"
)

// Doing is what a goroutine was doing, as causes of others' waits are told apart by
// the trace.
type Doing string

// What goroutines do.
const (
	DoingNetwork  Doing = "network"  // it waited for a descriptor, until the runtime noticed
	DoingTimer    Doing = "timer"    // it waited for a timer
	DoingGC       Doing = "gc"       // it waited for the garbage collector
	DoingRunnable Doing = "runnable" // it waited for a processor
	DoingRunning  Doing = "running"  // it ran, or was in a system call
	DoingUnknown  Doing = "unknown"
	// doingBlocked: another goroutine ended its wait.
	doingBlocked Doing = "blocked"
	// doingAbsent: it was not started yet.
	doingAbsent Doing = "absent"
)

// Cause is what goroutines waited for in the end, and for how long.
type Cause struct {
	Doing Doing
	// Frames is where the goroutine that waited for a descriptor did so, innermost
	// first; nil for other causes. Not to be changed.
	Frames []wait.Frame
	Time   time.Duration
	// Chain is the goroutines from the one that ended the wait to the one that did
	// it.
	Chain []uint64
}

// Activities is what each goroutine did, from an execution trace.
type Activities struct {
	stretches map[uint64][]stretch
	frames    map[trace.Stack][]wait.Frame
}

// stretch is a time in which a goroutine did one thing. They have no gaps.
type stretch struct {
	from, to int64 // CLOCK_MONOTONIC in nanoseconds; from is 0 for before the trace
	doing    Doing
	by       uint64 // who ended it, if it is blocked, or started it, if it is absent
	frames   []wait.Frame
}

// ReadActivitiesFile reads the activities from an execution trace in a file.
func ReadActivitiesFile(name string) (*Activities, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("opening execution trace: %w", err)
	}
	defer file.Close()
	return ReadActivities(file)
}

// ReadActivities reads an execution trace of Go 1.22 or newer: those of older
// releases have a clock of their own.
func ReadActivities(r io.Reader) (*Activities, error) {
	events, err := trace.NewReader(r)
	if err != nil {
		return nil, fmt.Errorf("reading execution trace: %w", err)
	}
	a := &Activities{stretches: make(map[uint64][]stretch), frames: make(map[trace.Stack][]wait.Frame)}
	for {
		event, err := events.ReadEvent()
		if err == io.EOF { // wrapped, it is the end of a cut file
			return a, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading execution trace: %w", err)
		}
		if event.Kind() == trace.EventStateTransition {
			if change := event.StateTransition(); change.Resource.Kind == trace.ResourceGoroutine {
				a.change(event, change)
			}
		}
	}
}

// change ends what a goroutine did and begins what it does next.
func (a *Activities) change(event trace.Event, change trace.StateTransition) {
	from, to := change.Goroutine()
	if from == to { // said again, as a generation of the trace begins
		return
	}
	id, now := uint64(change.Resource.Goroutine()), int64(event.Time())
	list := a.stretches[id]
	switch {
	case len(list) == 0 && from == trace.GoNotExist:
		list = append(list, stretch{doing: doingAbsent, by: goroutineOf(event)})
	case len(list) == 0:
		list = append(list, stretch{doing: DoingUnknown})
	}
	last := &list[len(list)-1]
	last.to = now
	if from == trace.GoWaiting && to == trace.GoRunnable && last.from != 0 {
		a.ended(last, event)
	}
	next := stretch{from: now, to: math.MaxInt64, doing: doingOf(to)}
	if to == trace.GoWaiting {
		next.doing = waitingFor(change.Reason)
		next.frames = a.framesOf(change.Stack)
	}
	a.stretches[id] = append(list, next)
}

// goroutineOf is the goroutine that did what an event tells; 0 for none.
func goroutineOf(event trace.Event) uint64 {
	if id := event.Goroutine(); id != trace.NoGoroutine {
		return uint64(id)
	}
	return 0
}

// doingOf is what a goroutine does in a state other than waiting.
func doingOf(state trace.GoState) Doing {
	switch state {
	case trace.GoRunning, trace.GoSyscall:
		return DoingRunning
	case trace.GoRunnable:
		return DoingRunnable
	}
	return DoingUnknown
}

// waitingFor is what a goroutine waits for unless another one ends the wait.
func waitingFor(reason string) Doing {
	switch {
	case reason == reasonNetwork:
		return DoingNetwork
	case strings.HasPrefix(reason, "GC "), reason == "wait until GC ends":
		return DoingGC
	case slices.Contains([]string{reasonSleep, reasonSelect, reasonChanReceive, reasonCond}, reason):
		return DoingTimer
	}
	return DoingUnknown
}

// timerFunctions run when a timer is due, whoever runs them.
var timerFunctions = []string{"time.sendTime", "time.goFunc", "runtime.goroutineReady"}

// ended says who ended the wait of a stretch: the goroutine that did what the event
// tells, unless it noticed that a descriptor was ready or ran a timer.
func (a *Activities) ended(s *stretch, event trace.Event) {
	by := goroutineOf(event)
	if by == 0 {
		return
	}
	frames := a.framesOf(event.Stack())
	in := func(function string) bool {
		return slices.ContainsFunc(frames, func(f wait.Frame) bool { return f.Func == function })
	}
	switch {
	case s.doing == DoingNetwork && !in("internal/poll.runtime_pollUnblock") && !in("internal/poll.runtime_pollSetDeadline"):
	case slices.ContainsFunc(timerFunctions, in):
		s.doing = DoingTimer
	default:
		s.doing, s.by = doingBlocked, by
	}
}

func (a *Activities) framesOf(stack trace.Stack) []wait.Frame {
	frames, ok := a.frames[stack]
	if !ok {
		for f := range stack.Frames() {
			frames = append(frames, wait.Frame{Func: f.Func, File: f.File, Line: int(f.Line)})
		}
		a.frames[stack] = frames
	}
	return frames
}

// stretch is that of a wait.
func (a *Activities) stretch(w *Wait) stretch {
	list := a.stretches[w.Goid]
	if i := after(list, w.Park); i < len(list) && list[i].from == w.Park {
		return list[i]
	}
	return stretch{doing: DoingUnknown}
}

// after is the index of the first stretch that ends after a time.
func after(list []stretch, at int64) int {
	return sort.Search(len(list), func(i int) bool { return list[i].to > at })
}

// CausesOf is what a wait was for until the goroutine was made runnable. They add up
// to that.
func (a *Activities) CausesOf(w *Wait) []Cause {
	s := a.stretch(w)
	if s.doing != doingBlocked {
		return []Cause{{Doing: s.doing, Time: time.Duration(w.Runnable - w.Park)}}
	}
	return a.causes(nil, s.by, w.Park, w.Runnable, nil)
}

// causes appends what a goroutine did in [from, to), to the root. It ends, since a
// goroutine ends another's wait while it runs, so that each step ends earlier.
func (a *Activities) causes(causes []Cause, goid uint64, from, to int64, chain []uint64) []Cause {
	chain = append(chain[:len(chain):len(chain)], goid)
	list := a.stretches[goid]
	for _, s := range list[after(list, from):] {
		if s.from >= to {
			break
		}
		until := min(s.to, to)
		switch {
		case s.doing == doingBlocked || s.doing == doingAbsent && s.by != 0:
			causes = a.causes(causes, s.by, from, until, chain)
		default:
			c := Cause{Doing: s.doing, Time: time.Duration(until - from), Chain: chain}
			if s.doing == DoingNetwork {
				c.Frames = s.frames
			}
			causes = append(causes, c)
		}
		from = until
	}
	if from < to {
		causes = append(causes, Cause{Doing: DoingUnknown, Time: time.Duration(to - from), Chain: chain})
	}
	return causes
}
