package report

import (
	"time"

	"github.com/netpolltrace/netpolltrace/wait"
	"github.com/netpolltrace/netpolltrace/wait/column"
)

// Section is one table of a report.
type Section struct {
	// Title is what the table is about; empty if it is what was asked for
	// with [Options.By].
	Title  string
	By     []KeyInfo
	Rows   []*Row // in the order asked for
	Totals Row    // the sums of all rows
	Idle   IdleWaits
	Open   OpenWaits
}

// KeyInfo is a key of a section and how people see it.
type KeyInfo struct {
	Name    Key
	Header  string
	Numeric bool // its texts are decimal numbers or empty
	Long    bool // its texts are often wider than a column
}

// IdleWaits counts the waits in which no reply was pending before data came, by
// what they waited for, finished or open.
type IdleWaits struct {
	KeepAlive uint64 // reads of accepted sockets: the next request
	Pooled    uint64 // reads of dialed sockets to which nothing was sent
	Accepts   uint64
	Others    uint64
	Time      time.Duration // of all of them together
	Unknown   uint64        // network reads and accepts of which nobody knows
}

// OpenWaits is about the waits that were not over at the end and in which a
// reply was pending.
type OpenWaits struct {
	Count     uint64
	Oldest    time.Duration
	OldestKey []string // the key of the oldest one's row
}

// sectionSpec is what a section is to be about.
type sectionSpec struct {
	title string
	keys  []Key
	about func(*wait.Wait) bool
}

// sectionsFor lists the sections of a report. Each wait belongs to the first
// that is about it.
func sectionsFor(by []Key) []sectionSpec {
	everything := func(*wait.Wait) bool { return true }
	if len(by) > 0 {
		return []sectionSpec{{keys: by, about: everything}}
	}
	return []sectionSpec{
		{title: "Waited for", keys: []Key{KeyPeer, KeyLine}, about: isNetwork},
		{title: "Blocked elsewhere", keys: []Key{KeyReason, KeyLine}, about: everything},
	}
}

// isNetwork tells whether the netpoller is to end the wait.
func isNetwork(w *wait.Wait) bool {
	return w.Op != "" || w.Reason == wait.ReasonIO
}

type section struct {
	title  string
	about  func(*wait.Wait) bool
	groups *groups
	idle   IdleWaits
	open   OpenWaits
	oldest *group
}

func newSection(spec sectionSpec, limit int) (*section, error) {
	var keys []column.Column
	for _, name := range spec.keys {
		key, err := keyNamed(name)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return &section{title: spec.title, about: spec.about, groups: newGroups(keys, limit)}, nil
}

func (s *section) add(w *wait.Wait, sc scale, fds bool) {
	g := s.groups.find(w)
	if w.Idle != 0 {
		s.countIdle(w)
	}
	if w.Kind != wait.KindOpen {
		g.addFinished(sc, w)
		return
	}
	g.addOpen(w, fds)
	age := w.Awaited()
	if age <= 0 {
		return
	}
	s.open.Count++
	if age > s.open.Oldest {
		s.open.Oldest, s.oldest = age, g
	}
}

func (s *section) countIdle(w *wait.Wait) {
	if w.Idle < 0 {
		if w.Role != "" && (w.Op == wait.OpRead || w.Op == wait.OpAccept) {
			s.idle.Unknown++
		}
		return
	}
	if !partsOf(w).idleWhole(w.Idle) {
		return
	}
	s.idle.Time += w.Idle
	switch {
	case w.Op == wait.OpAccept:
		s.idle.Accepts++
	case w.Role == wait.RoleAccepted:
		s.idle.KeepAlive++
	case w.Role == wait.RoleDialed:
		s.idle.Pooled++
	default:
		s.idle.Others++
	}
}

func (s *section) build(by order) Section {
	built := Section{Title: s.title, Idle: s.idle, Open: s.open, Totals: NoWaits()}
	for _, key := range s.groups.keys {
		built.By = append(built.By, KeyInfo{Name: Key(key.Key), Header: key.Header, Numeric: key.Numeric(), Long: key.Long})
	}
	for _, g := range s.groups.all() {
		row := g.row(s.groups.decode(g))
		built.Totals = built.Totals.Plus(row)
		built.Rows = append(built.Rows, row)
	}
	if s.oldest != nil {
		built.Open.OldestKey = s.groups.decode(s.oldest)
	}
	by.sort(built.Rows, built.By)
	return built
}
