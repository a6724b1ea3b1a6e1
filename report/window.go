package report

import (
	"cmp"
	"slices"

	"github.com/netpolltrace/netpolltrace/wait"
)

// window is what the waits and events of one stretch of time add up to. Waits
// are added by one goroutine; once it is sealed it does not change any more and
// can be read by all.
type window struct {
	number int64 // its start, in windows since the Unix epoch
	table  tableSums
	events []*events  // by the number of their recording; nil: nothing was said
	notes  []noteSums // by the number of their note
	finder Finder     // nil: nobody draws conclusions
}

// of finds the events of a recording by its number.
func (w *window) of(recording int) *events {
	return numbered(&w.events, recording)
}

// sumOfWindows returns a window of what is in all of them, which stay as they
// are; nil for none.
func sumOfWindows(all []*window) *window {
	switch len(all) {
	case 0:
		return nil
	case 1:
		return all[0]
	}
	sum := &window{number: all[0].number}
	var tables []*tableSums
	for _, w := range all {
		tables = append(tables, &w.table)
	}
	sum.table = sumOfTables(tables)
	if all[0].finder != nil {
		sum.finder = all[0].finder.Empty()
	}
	for _, w := range all {
		sum.events = plusEvents(sum.events, w.events)
		sum.notes = plusNotes(sum.notes, w.notes)
		if sum.finder != nil {
			sum.finder.Merge(w.finder)
		}
	}
	return sum
}

// windows takes waits that have been explained: it shows them to the finder,
// drops those that the filter leaves out, and adds the others to the window in
// which they ended. It is a [wait.Sink].
type windows struct {
	options   Options
	scale     scale
	table     *table
	recording int     // the number of the current one
	current   *window // nil: nothing came since the last was sealed

	// What has been sealed. These slices are replaced or appended to, never
	// changed in place, so that others can read a copy of them.
	recent  []*window // by their number
	past    *window   // what was before, in one; nil: nothing
	changes []change
	notes   []note // by their number
}

// Wait implements [wait.Sink].
func (ws *windows) Wait(w *wait.Wait) error {
	if w.Kind == wait.KindHandoff {
		return nil // it is no wait
	}
	current := ws.enter(w.Start + int64(max(w.Total, 0)))
	current.of(ws.recording).span(w.Start, w.Total)
	if current.finder != nil {
		if err := current.finder.Wait(w); err != nil {
			return err
		}
	}
	if ws.options.Filter != nil {
		matched, err := ws.options.Filter.Match(w)
		if err != nil || !matched {
			return err
		}
	}
	current.table.add(w, ws.table.groups.number(w), ws.scale, ws.options.FDs)
	return nil
}

// Event implements [wait.Sink].
func (ws *windows) Event(e *wait.Event) error {
	current := ws.enter(e.Start)
	current.of(ws.recording).add(e)
	if n, ok := noteOf(e, ws.recording); ok {
		current.addNote(ws.number(n), e)
	}
	if c, ok := changeOf(ws.recording, e); ok && len(ws.changes) < maxChanges {
		ws.changes = append(ws.changes, c)
	}
	if current.finder != nil {
		return current.finder.Event(e)
	}
	return nil
}

// enter finds the window of a moment. Records come nearly in the order of time:
// one that is late counts in the window in which it comes.
func (ws *windows) enter(moment int64) *window {
	var number int64
	if ws.options.Window > 0 {
		number = moment / int64(ws.options.Window)
	}
	if ws.current != nil && number > ws.current.number {
		ws.seal()
	}
	if ws.current == nil {
		ws.current = &window{number: number}
		if ws.options.Finder != nil {
			ws.current.finder = ws.options.Finder.Empty()
		}
	}
	return ws.current
}

// seal puts the current window to the recent ones: into the one with the same
// number, if there is one, of which this is then a later piece.
func (ws *windows) seal() {
	sealed := ws.current
	if sealed == nil {
		return
	}
	ws.current = nil
	recent := slices.Clone(ws.recent)
	i, found := slices.BinarySearchFunc(recent, sealed.number, func(w *window, number int64) int {
		return cmp.Compare(w.number, number)
	})
	if found {
		recent[i] = sumOfWindows([]*window{recent[i], sealed})
	} else {
		recent = slices.Insert(recent, i, sealed)
	}
	if len(recent) > ws.options.MaxWindows {
		ws.past, recent = sumOfWindows(withPast(ws.past, recent[:1])), recent[1:]
	}
	ws.recent = recent
}

// withPast lists windows and what was before them, if there is something.
func withPast(past *window, recent []*window) []*window {
	if past == nil {
		return recent
	}
	return append([]*window{past}, recent...)
}
