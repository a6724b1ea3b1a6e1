// Package truth says how true a recording is. It reads an execution trace that
// the target made of itself (runtime/trace) and matches its waits one to one
// with those of the recording. Tests and benchmarks rely on it; the product
// does not.
//
// The trace knows a wait by three moments that it shares with us: the
// goroutine parked, was made runnable, ran again. It knows neither descriptor
// nor peer, nor when the kernel had data.
package truth

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"time"

	"golang.org/x/exp/trace"

	"github.com/netpolltrace/netpolltrace/wait"
)

// Wait is one wait as the execution tracer saw it. Times are CLOCK_MONOTONIC in
// nanoseconds.
type Wait struct {
	Goid     uint64
	Park     int64
	Runnable int64
	Running  int64
	Reason   string       // in the execution tracer's words: network, sync, ...
	Frames   []wait.Frame // innermost first; shared, not to be changed
	// Preempted is the time for which the goroutine was runnable without having
	// waited, from its last wait or its start to this wait; [wait.Unmeasured] if
	// the trace lacks the beginning.
	Preempted time.Duration
	// Waker is the goroutine that ended the wait; 0 for none.
	Waker uint64
	// Squeezed tells that one of the three moments lies in a stretch of the trace
	// whose times are made up: see [stamps].
	Squeezed bool
}

// Trace is what an execution trace says about waits.
type Trace struct {
	// Waits holds those of which both ends are in the trace, ordered by Park.
	Waits []Wait
	// Start and End are the first and the last moment of the trace, by
	// CLOCK_MONOTONIC in nanoseconds; those of its clock marks, where it has some
	// (testdata/cue.Trace).
	Start, End int64
	// CutStart and CutEnd count the goroutines that waited when the trace began
	// and when it ended.
	CutStart, CutEnd int
	// ClockError bounds how far times may be off. From Go 1.22 on it is the unit
	// of the trace's clock.
	ClockError time.Duration
}

// firstSystemClock is the first minor version of Go whose traces are stamped by
// CLOCK_MONOTONIC, in units of 64 ns (traceClockNow in
// https://github.com/golang/go/blob/release-branch.go1.22/src/runtime/trace2time.go).
const firstSystemClock = 22

// clockUnit is the resolution of these stamps.
const clockUnit = 64 * time.Nanosecond

// ReadFile reads an execution trace from a file.
func ReadFile(name string) (*Trace, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("opening execution trace: %w", err)
	}
	defer file.Close()
	return Read(file)
}

// Read reads an execution trace of Go 1.11 or newer. One of Go 1.21 or older
// must hold clock marks, as testdata/cue.Trace makes them, since its stamps are
// of a clock of its own; such traces are held in memory as a whole.
func Read(r io.Reader) (*Trace, error) {
	buffered := bufio.NewReader(r)
	minor, err := minorVersion(buffered)
	if err != nil {
		return nil, err
	}
	events, err := trace.NewReader(buffered)
	if err != nil {
		return nil, fmt.Errorf("reading execution trace: %w", err)
	}
	c := collector{
		goroutines: make(map[trace.GoID]*open), between: make(map[trace.GoID]*between), frames: make(map[trace.Stack][]wait.Frame),
		stamps: newStamps(minor),
	}
	for {
		event, err := events.ReadEvent()
		if err == io.EOF { // wrapped, it is the end of a cut file
			break
		}
		if err != nil {
			return nil, fmt.Errorf("reading execution trace: %w", err)
		}
		c.add(event)
	}
	t := c.finish()
	t.ClockError = clockUnit
	if minor < firstSystemClock {
		if err := t.setClock(c.marks); err != nil {
			return nil, err
		}
	}
	t.boundByMarks(c.marks)
	return t, nil
}

// minorVersion peeks at the header, "go 1.22 trace": the reader does not tell
// the version.
func minorVersion(r *bufio.Reader) (int, error) {
	const header = len("go 1.NN")
	text, err := r.Peek(header)
	if err != nil {
		return 0, fmt.Errorf("reading execution trace: %w", err)
	}
	var minor int
	if _, err := fmt.Sscanf(string(text), "go 1.%d", &minor); err != nil {
		return 0, fmt.Errorf("reading execution trace: header is %q; give it the output of runtime/trace", text)
	}
	return minor, nil
}

// collector follows each goroutine's state through the trace.
type collector struct {
	trace      Trace
	goroutines map[trace.GoID]*open
	between    map[trace.GoID]*between
	frames     map[trace.Stack][]wait.Frame
	marks      []mark
	stamps     *stamps
	begun      bool
}

// between is what a goroutine does between two waits.
type between struct {
	preempted time.Duration
	since     int64 // it is runnable since then; 0 if it is not
}

// open is a wait that is not over.
type open struct {
	wait     Wait
	cutStart bool // it was there when the trace began
	runnable bool
}

func (c *collector) add(event trace.Event) {
	now := int64(event.Time())
	if !c.begun {
		c.begun = true
		c.trace.Start = now
	}
	c.trace.End = max(c.trace.End, now)
	c.stamps.add(now, event.Thread())
	switch event.Kind() {
	case trace.EventLog:
		if log := event.Log(); log.Category == "clock" {
			c.addMark(now, log.Message)
		}
	case trace.EventStateTransition:
		if change := event.StateTransition(); change.Resource.Kind == trace.ResourceGoroutine {
			c.change(now, change, event.Goroutine())
		}
	}
}

func (c *collector) addMark(now int64, message string) {
	if monotonic, err := strconv.ParseInt(message, 10, 64); err == nil {
		c.marks = append(c.marks, mark{trace: now, monotonic: monotonic})
	}
}

// change notes what a goroutine changes to; by is the one that runs meanwhile.
func (c *collector) change(now int64, change trace.StateTransition, by trace.GoID) {
	id := change.Resource.Goroutine()
	from, to := change.Goroutine()
	// A generation of the trace begins by saying again what each goroutine is.
	if from == to {
		return
	}
	preempted := c.preempted(id, from, to, now)
	current := c.goroutines[id]
	switch {
	case to == trace.GoWaiting:
		c.goroutines[id] = &open{
			cutStart: from != trace.GoRunning,
			wait: Wait{
				Goid: uint64(id), Park: now, Reason: change.Reason, Frames: c.framesOf(change.Stack), Preempted: preempted,
			},
		}
	case current == nil:
		// Something else than a wait ends, such as a system call.
	case from == trace.GoWaiting && to == trace.GoRunnable:
		current.runnable = true
		current.wait.Runnable = now
		if by != trace.NoGoroutine {
			current.wait.Waker = uint64(by)
		}
	case from == trace.GoRunnable && to == trace.GoRunning && current.runnable:
		current.wait.Running = now
		c.end(current)
		delete(c.goroutines, id)
	default:
		delete(c.goroutines, id)
	}
}

// preempted adds up for how long a goroutine is runnable between its waits, and
// returns the sum so far; [wait.Unmeasured] if it is not known.
func (c *collector) preempted(id trace.GoID, from, to trace.GoState, now int64) time.Duration {
	current := c.between[id]
	switch {
	case from == trace.GoNotExist || from == trace.GoWaiting:
		c.between[id] = new(between)
	case current == nil:
		return wait.Unmeasured
	case to == trace.GoRunnable:
		current.since = now
	case from == trace.GoRunnable && current.since != 0:
		current.preempted += time.Duration(now - current.since)
		current.since = 0
	}
	if current == nil {
		return wait.Unmeasured
	}
	return current.preempted
}

func (c *collector) end(o *open) {
	if o.cutStart {
		c.trace.CutStart++
		return
	}
	c.trace.Waits = append(c.trace.Waits, o.wait)
}

func (c *collector) framesOf(stack trace.Stack) []wait.Frame {
	if frames, ok := c.frames[stack]; ok {
		return frames
	}
	var frames []wait.Frame
	for f := range stack.Frames() {
		frames = append(frames, wait.Frame{Func: f.Func, File: f.File, Line: int(f.Line)})
	}
	c.frames[stack] = frames
	return frames
}

func (c *collector) finish() *Trace {
	for _, o := range c.goroutines {
		if o.cutStart {
			c.trace.CutStart++
		}
		c.trace.CutEnd++
	}
	for i := range c.trace.Waits {
		w := &c.trace.Waits[i]
		w.Squeezed = c.stamps.squeezed(w.Park) || c.stamps.squeezed(w.Runnable) || c.stamps.squeezed(w.Running)
	}
	slices.SortStableFunc(c.trace.Waits, func(a, b Wait) int { return cmp.Compare(a.Park, b.Park) })
	return &c.trace
}
