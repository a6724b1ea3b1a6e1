package recording

import (
	"github.com/netpolltrace/netpolltrace/wait"
)

// row is one row of a recording: a wait or an event, with what stands behind
// its pointers beside it, so that each column is one field for writing and for
// reading.
type row struct {
	wait.Wait
	process wait.Process
	stack   wait.Stack // Func is not stored: it follows from the others
	event   wait.EventKind
	note    string
	isEvent bool
}

// emptyRow has every field at the value that stands for null, or at what is
// meant where a file lacks the column.
func emptyRow() row {
	return row{Wait: wait.Empty()}
}

// setWait makes r the row of w.
func (r *row) setWait(w *wait.Wait) {
	r.Wait = *w
	r.event, r.note, r.isEvent = "", "", false
	if w.Process != nil {
		r.process = *w.Process
	} else {
		r.process = wait.Process{}
	}
	if w.Stack != nil {
		r.stack = *w.Stack
	} else {
		r.stack = wait.Stack{}
	}
}

// setEvent makes r the row of e.
func (r *row) setEvent(e *wait.Event) {
	*r = emptyRow()
	r.isEvent = true
	r.Kind = wait.KindEvent
	r.Start, r.Total, r.Count = e.Start, e.Duration, e.Count
	r.event, r.note = e.Kind, e.Note
	if e.Process != nil {
		r.process = *e.Process
	}
}

// toEvent is the event that the row holds.
func (r *row) toEvent() wait.Event {
	return wait.Event{
		Kind:     r.event,
		Start:    r.Start,
		Duration: r.Total,
		Count:    r.Count,
		Process:  r.Process,
		Note:     r.note,
	}
}
