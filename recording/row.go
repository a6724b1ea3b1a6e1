package recording

import (
	"github.com/netpolltrace/netpolltrace/wait"
)

// row is one row of a recording: a wait or an event. Its wait has a process and
// a stack always, so that each column is one place for writing and for reading;
// where there is none, they are empty ones of the row's own.
type row struct {
	wait.Wait
	process wait.Process
	stack   wait.Stack // Func is not stored: it follows from the others
	isEvent bool
	event   eventRow
}

// eventRow is what only events have.
type eventRow struct {
	kind       wait.EventKind
	note       string
	attributes string // the event's detail as JSON; empty if it has none
}

// reset makes r an empty row, with a process and a stack of its own.
func (r *row) reset() {
	*r = row{Wait: wait.Empty()}
	r.Process, r.Stack = &r.process, &r.stack
}

// setWait makes r the row of w.
func (r *row) setWait(w *wait.Wait) {
	r.Wait = *w
	r.isEvent, r.event = false, eventRow{}
	if w.Process == nil {
		r.process = wait.Process{}
		r.Process = &r.process
	}
	if w.Stack == nil {
		r.stack = wait.Stack{}
		r.Stack = &r.stack
	}
}

// setEvent makes r the row of e.
func (r *row) setEvent(e *wait.Event) {
	r.reset()
	r.isEvent = true
	r.Kind = wait.KindEvent
	r.Start, r.Total, r.Count = e.Start, e.Duration, e.Count
	r.event = eventRow{kind: e.Kind, note: e.Note, attributes: encodeDetail(e.Detail)}
	if e.Process != nil {
		r.process = *e.Process
	}
}

// toEvent is the event that the row holds.
func (r *row) toEvent() wait.Event {
	return wait.Event{
		Kind:     r.event.kind,
		Start:    r.Start,
		Duration: r.Total,
		Count:    r.Count,
		Process:  r.Process,
		Note:     r.event.note,
		Detail:   decodeDetail(r.event.kind, r.event.attributes),
	}
}
