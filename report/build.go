package report

import (
	"time"

	"github.com/netpolltrace/netpolltrace/wait"
)

// Report says what all waits so far add up to. More may be added afterwards.
// It fails if waits that were held back cannot be added.
func (b *Builder) Report() (*Report, error) {
	s, err := b.sealed()
	if err != nil {
		return nil, err
	}
	return s.report(s.everything()), nil
}

// Windows makes a report of each window that is kept apart, the oldest first.
func (b *Builder) Windows() ([]*Report, error) {
	s, err := b.sealed()
	if err != nil {
		return nil, err
	}
	var reports []*Report
	for _, w := range s.recent {
		reports = append(reports, s.reportOf(w, w.number))
	}
	return reports, nil
}

// Last makes a report of the newest windows: as many as make up d, and those
// that are kept apart at most. It is nil if nothing came yet.
func (b *Builder) Last(d time.Duration) (*Report, error) {
	s, err := b.sealed()
	if err != nil || len(s.recent) == 0 {
		return nil, err
	}
	newest := s.recent[len(s.recent)-1].number
	oldest := newest
	if length := s.options.Window; length > 0 {
		oldest = newest + 1 - int64((d+length-1)/length)
	}
	var last []*window
	for _, w := range s.recent {
		if w.number >= oldest || w.number == newest {
			last = append(last, w)
		}
	}
	return s.reportOf(sumOfWindows(last), newest), nil
}

// sealed is all that came until a moment. It does not change any more.
type sealed struct {
	options   Options
	order     order
	scale     scale
	table     *table  // of which the groups go on to grow
	groups    []group // those until then
	recent    []*window
	past      *window
	changes   []change
	notes     []note
	metas     []wait.Meta
	damage    []string
	unchecked []string
	events    []*events // of all windows, by recording
	targets   []Target  // of all recordings
}

func (b *Builder) sealed() (*sealed, error) {
	s, err := b.handOver()
	if err != nil {
		return nil, err
	}
	for _, w := range withPast(s.past, s.recent) {
		s.events = plusEvents(s.events, w.events)
	}
	for i := range s.metas {
		s.targets = append(s.targets, targetsOf(i, &s.metas[i], eventsAt(s.events, i), s.changes)...)
	}
	return s, nil
}

// handOver seals the current window and takes what has been sealed: all that a
// report holds up the waits for.
func (b *Builder) handOver() (*sealed, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.seal(); err != nil {
		return nil, err
	}
	ws := &b.windows
	return &sealed{
		options: ws.options, order: b.order, scale: ws.scale, table: ws.table, groups: ws.table.groups.list,
		recent: ws.recent, past: ws.past, changes: ws.changes, notes: ws.notes, metas: b.metas, damage: b.damage,
		unchecked: b.unchecked,
	}, nil
}

// everything is a window of all that came.
func (s *sealed) everything() *window {
	if sum := sumOfWindows(withPast(s.past, s.recent)); sum != nil {
		return sum
	}
	return &window{}
}

// report makes the report of a window. It only reads the window.
func (s *sealed) report(w *window) *Report {
	r := &Report{
		Metas: s.metas, Targets: s.targets, Idle: s.options.Idle, Damage: s.damage, Unchecked: s.unchecked,
		Events: summary(w.events, s.metas),
	}
	r.Events.Notes = s.notesOf(w)
	r.Table = s.table.build(&w.table, s.groups, s, &Distribution{scale: s.scale})
	if w.finder != nil {
		r.Findings = w.finder.Findings()
	}
	return r
}

// reportOf makes the report of windows up to the one with the number newest.
func (s *sealed) reportOf(w *window, newest int64) *Report {
	r := s.report(w)
	length := int64(s.options.Window)
	if length <= 0 {
		return r
	}
	r.From, r.To = time.Unix(0, w.number*length), time.Unix(0, (newest+1)*length)
	first, last := bounds(w.events)
	first, last = max(first, r.From.UnixNano()), min(last, r.To.UnixNano())
	r.Events.Seconds = time.Duration(max(0, last-first)).Seconds()
	r.Events.Truncated = false
	return r
}
