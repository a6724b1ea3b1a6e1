package truth

import (
	"cmp"
	"errors"
	"slices"
	"time"
)

// A mark relates the trace's clock to CLOCK_MONOTONIC: the latter was read
// just before the event was stamped.
type mark struct {
	trace, monotonic int64 // nanoseconds
}

// offset is what to add to the trace's time. It is never too great, since the
// stamp is the later of the two; by how much it is too small is how long the
// program took from one to the other.
func (m mark) offset() int64 { return m.monotonic - m.trace }

// setClock moves all times to CLOCK_MONOTONIC. The marks at the trace's
// start and at its end give one offset each, that of the best mark; between them
// the clock is assumed to drift evenly.
func (t *Trace) setClock(marks []mark) error {
	middle := t.middle()
	var first, last []mark
	for _, m := range marks {
		if m.trace < middle {
			first = append(first, m)
		} else {
			last = append(last, m)
		}
	}
	if len(first) == 0 || len(last) == 0 {
		return errors.New("execution trace of Go 1.21 or older without clock marks at both ends; " +
			"let the target write them with runtime/trace.Log")
	}
	from, fromError := bestMark(first)
	to, toError := bestMark(last)
	drift := float64(to.offset()-from.offset()) / float64(to.trace-from.trace)
	monotonic := func(at int64) int64 {
		return at + from.offset() + int64(drift*float64(at-from.trace))
	}
	for i := range t.Waits {
		w := &t.Waits[i]
		w.Park, w.Runnable, w.Running = monotonic(w.Park), monotonic(w.Runnable), monotonic(w.Running)
	}
	t.Start, t.End = monotonic(t.Start), monotonic(t.End)
	t.ClockError = max(fromError, toError)
	return nil
}

// boundByMarks has the trace begin at its first mark and end at its last, if they
// are at its start and at its end. Beyond them the program waits for the tracer
// to start and to stop, of which the trace has one half or nothing, though its first
// time may be earlier: that of tables which are written beforehand. What the marks
// say counts, since their stamps may be made up ([stamps]).
func (t *Trace) boundByMarks(marks []mark) {
	if len(marks) == 0 {
		return
	}
	middle := t.middle()
	if first := marks[0].monotonic; first < middle {
		t.Start = first
	}
	if last := marks[len(marks)-1].monotonic; last > middle {
		t.End = last
	}
}

func (t *Trace) middle() int64 { return t.Start + (t.End-t.Start)/2 }

// bestMark returns the mark with the smallest error, and an estimate of that
// error: its distance to the second best. A single mark is believed to a
// millisecond.
func bestMark(marks []mark) (mark, time.Duration) {
	slices.SortFunc(marks, func(a, b mark) int { return cmp.Compare(b.offset(), a.offset()) })
	if len(marks) == 1 {
		return marks[0], time.Millisecond
	}
	return marks[0], time.Duration(marks[0].offset() - marks[1].offset())
}
