package report

import (
	"time"

	"github.com/netpolltrace/netpolltrace/wait"
)

// maxNotes bounds what is kept of the words of events, which come from the
// recording.
const maxNotes = 20

// Note is something that a recording says about itself, added up.
type Note struct {
	Kind  wait.EventKind
	At    time.Duration // since the recording began, of the first
	Count uint64        // what it is a count of: see the kind
	Text  string
}

// Events is what the events of a recording add up to.
type Events struct {
	Seconds float64 // how long was recorded
	// Truncated is set when a recording has no end: it was cut off.
	Truncated bool
	Lost      uint64 // records that could not be delivered
	// Overhead is the CPU time that the probes cost, in percent of what the
	// target used; negative when it was not measured.
	Overhead float64
	// Notes are the losses by place, what waits lack, changes of mode and what
	// became of the target, in the order in which they were first said.
	Notes []Note
}

// events adds up what a source says besides waits.
type events struct {
	first, last int64 // of waits and events, nanoseconds since the epoch
	lost        uint64
	ends        int
	length      time.Duration
	overhead    time.Duration
	cpu         time.Duration
	notes       []Note
	starts      []int64 // of notes
}

// span widens the time of which something is known.
func (e *events) span(start int64, length time.Duration) {
	if e.first == 0 || start < e.first {
		e.first = start
	}
	e.last = max(e.last, start+int64(max(length, 0)))
}

func (e *events) add(event *wait.Event) {
	e.span(event.Start, event.Duration)
	length := max(event.Duration, 0)
	switch event.Kind {
	case wait.EventLost:
		e.lost += event.Count
		e.note(event)
	case wait.EventIncomplete, wait.EventMode, wait.EventTarget:
		e.note(event)
	case wait.EventOverhead:
		e.overhead += length
	case wait.EventCPU:
		e.cpu += length
	case wait.EventEnd:
		e.ends++
		e.length += length
	}
}

// note adds the event to the note that says the same.
func (e *events) note(event *wait.Event) {
	for i := range e.notes {
		if e.notes[i].Kind == event.Kind && e.notes[i].Text == event.Note {
			e.notes[i].Count += event.Count
			return
		}
	}
	if len(e.notes) == maxNotes {
		return
	}
	e.notes = append(e.notes, Note{Kind: event.Kind, Count: event.Count, Text: event.Note})
	e.starts = append(e.starts, event.Start)
}

func (e *events) summary(metas []wait.Meta) Events {
	began := e.first
	for i, m := range metas {
		if start := m.Started.UnixNano(); !m.Started.IsZero() && (i == 0 || start < began) {
			began = start
		}
	}
	s := Events{Lost: e.lost, Truncated: e.ends < max(1, len(metas)), Overhead: -1}
	s.Seconds = e.length.Seconds()
	if s.Truncated {
		s.Seconds = time.Duration(max(0, e.last-began)).Seconds()
	}
	if e.cpu > 0 {
		s.Overhead = 100 * float64(e.overhead) / float64(e.cpu)
	}
	for i, n := range e.notes {
		n.At = time.Duration(max(0, e.starts[i]-began))
		s.Notes = append(s.Notes, n)
	}
	return s
}
