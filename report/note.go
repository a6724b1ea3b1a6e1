package report

import (
	"slices"
	"time"

	"github.com/netpolltrace/netpolltrace/wait"
)

// maxNotes bounds what is kept of the texts of events, which come from the
// recording. Those of further ones are added up by their kind.
const maxNotes = 20

// further is the text of what is added up.
var further = map[wait.EventKind]string{
	wait.EventLost:       "at other places",
	wait.EventIncomplete: "for other reasons",
	wait.EventMode:       "further changes of mode",
	wait.EventTarget:     "further processes that joined or left",
	wait.EventHandoffs:   "for other reasons",
}

// Note is something that a recording says about itself, added up.
type Note struct {
	Kind  wait.EventKind
	At    time.Duration // since the recording began, of the first
	Count uint64        // what it is a count of: see the kind
	Text  string
	// Process is of whom it is said; nil for what is said of the recording.
	Process *wait.Process
	// Further tells that it stands for further notes of its kind, which were too
	// many to keep. Count is how many events they were, or of lost and incomplete
	// waits how many of these.
	Further bool
}

// note is what events that say the same have in common.
type note struct {
	kind      wait.EventKind
	text      string
	process   *wait.Process
	recording int   // of the first
	start     int64 // of the first
	further   bool
}

// noteSums is what the events of a note add up to in one window.
type noteSums struct {
	events uint64
	count  uint64 // sum of their counts
}

// noteOf is false for events whose notes are not for people.
func noteOf(e *wait.Event, recording int) (note, bool) {
	n := note{kind: e.Kind, text: e.Note, recording: recording, start: e.Start}
	switch e.Kind {
	case wait.EventLost, wait.EventIncomplete:
		return n, true
	case wait.EventMode, wait.EventTarget:
		n.process = e.Process
		return n, true
	case wait.EventHandoffs:
		change, ok := e.Detail.(*wait.HandoffChange)
		return n, ok && !change.Recorded
	}
	return note{}, false
}

// same tells whether two notes are added up.
func (n *note) same(other *note) bool {
	if n.kind != other.kind || n.text != other.text || n.further != other.further {
		return false
	}
	if n.process == nil || other.process == nil {
		return n.process == other.process
	}
	return *n.process == *other.process
}

// number finds the number of a note, or of the one for further ones of its kind.
// All windows count by these numbers.
func (ws *windows) number(n note) int {
	for i := range ws.notes {
		if ws.notes[i].same(&n) {
			return i
		}
	}
	if len(ws.notes) >= maxNotes && !n.further {
		n.text, n.process, n.further = further[n.kind], nil, true
		return ws.number(n)
	}
	ws.notes = append(ws.notes, n)
	return len(ws.notes) - 1
}

// addNote counts an event of the note with that number.
func (w *window) addNote(number int, e *wait.Event) {
	if number >= len(w.notes) {
		w.notes = append(w.notes, make([]noteSums, number+1-len(w.notes))...)
	}
	w.notes[number].events++
	w.notes[number].count += e.Count
}

// plusNotes returns what both add up to.
func plusNotes(a, b []noteSums) []noteSums {
	if len(a) < len(b) {
		a, b = b, a
	}
	sum := slices.Clone(a)
	for i, n := range b {
		sum[i].events += n.events
		sum[i].count += n.count
	}
	return sum
}

// notesOf lists what was said in a window, in the order in which it was first
// said.
func (s *sealed) notesOf(w *window) []Note {
	var said []Note
	for i, sums := range w.notes {
		if sums.events == 0 {
			continue
		}
		n := s.notes[i]
		began := s.events[n.recording].began(metaAt(s.metas, n.recording))
		count := sums.count
		if n.further && (n.kind == wait.EventMode || n.kind == wait.EventTarget) {
			count = sums.events
		}
		said = append(said, Note{
			Kind: n.kind, At: time.Duration(max(0, n.start-began)), Count: count, Text: n.text, Process: n.process, Further: n.further,
		})
	}
	return said
}
