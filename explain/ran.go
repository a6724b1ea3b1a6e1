package explain

import (
	"time"

	"github.com/netpolltrace/netpolltrace/wait"
)

// ran is what a goroutine did from one of its waits to the next, or to the moment at
// which it ended another's wait.
type ran struct {
	length   time.Duration // of the whole; Unmeasured where its beginning is not known
	runnable time.Duration // of it, in which the goroutine did not run; Unmeasured if not known
	cause    causeID       // of the rest, in which it ran
}

// runnableIn is for how long the goroutine was runnable in a part of that time. When
// it was is not known: a part has its share.
func (r ran) runnableIn(part time.Duration) time.Duration {
	runnable := max(r.runnable, 0)
	if r.length > part {
		runnable = time.Duration(float64(runnable) * float64(part) / float64(r.length))
	}
	return min(runnable, part)
}

// part appends what the goroutine did in a part of that time.
func (r ran) part(d time.Duration, sched causeID, pieces []piece) []piece {
	runnable := r.runnableIn(d)
	return append(pieces, piece{runnable, sched}, piece{d - runnable, r.cause})
}

// untilStarted appends what was waited for before the waker of a wait ran first:
// what the one did that started it. It returns until. If that is the goroutine itself
// that waited, the waker had been started before, and was runnable.
func (e *Explainer) untilStarted(w *wait.Wait, until int64) int64 {
	from := w.Start
	rest := wait.Cause{Kind: wait.CauseRunning}
	switch w.WakerParentGoid {
	case 0:
		rest.Kind = wait.CauseUnknown
	case w.Goid:
		rest.Kind = wait.CauseSched
	default:
		if starter := e.goroutines.find(w.Process, w.WakerParentGoid).remembered(); starter != nil {
			e.pieces, from = starter.between(from, until, e.pieces)
		}
	}
	e.pieces = append(e.pieces, piece{time.Duration(until - from), e.causes.id(rest)})
	return until
}

// untilFirstWait appends what the waker of a wait did from a moment to the first
// wait that is known of it, if that came later. It returns until when it did. Nothing
// is known of this time where nobody saw whether the waker ran.
func (e *Explainer) untilFirstWait(w *wait.Wait, waker *activity, from, to int64) int64 {
	if from >= waker.origin || waker.origin >= to || w.WakerPreempted == wait.Unmeasured {
		return from
	}
	first := waker.first
	if w.WakerStarted > 0 {
		first.length = time.Duration(waker.origin - from)
	}
	e.pieces = first.part(time.Duration(waker.origin-from), e.sched, e.pieces)
	return waker.origin
}
