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

// section is a table while waits are added.
type section struct {
	title  string
	about  func(*wait.Wait) bool
	groups *groups
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

// sectionSums is what the waits of a section add up to in one window.
type sectionSums struct {
	groups []*groupSums // by the group's number; nil: no waits
	idle   IdleWaits
	open   uint64        // waits in which a reply was pending
	oldest time.Duration // of those
	// oldestGroup is the number of the oldest one's group, if there is one.
	oldestGroup int
}

// group finds the sums of a group by its number.
func (s *sectionSums) group(n int) *groupSums {
	if n >= len(s.groups) {
		s.groups = append(s.groups, make([]*groupSums, n+1-len(s.groups))...)
	}
	if s.groups[n] == nil {
		s.groups[n] = &groupSums{}
	}
	return s.groups[n]
}

// add adds a wait of the group with that number.
func (s *sectionSums) add(w *wait.Wait, group int, sc scale, fds bool) {
	g := s.group(group)
	if w.Idle != 0 {
		s.idle.count(w)
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
	s.open++
	if age > s.oldest {
		s.oldest, s.oldestGroup = age, group
	}
}

// sumOfSections returns what all add up to, which stay as they are.
func sumOfSections(all []*sectionSums) sectionSums {
	var sum sectionSums
	longest := 0
	for _, s := range all {
		longest = max(longest, len(s.groups))
		sum.idle = sum.idle.plus(s.idle)
		sum.open += s.open
		if s.oldest > sum.oldest {
			sum.oldest, sum.oldestGroup = s.oldest, s.oldestGroup
		}
	}
	sum.groups = make([]*groupSums, longest)
	var same []*groupSums // of one group in all windows
	for n := range sum.groups {
		same = same[:0]
		for _, s := range all {
			if n < len(s.groups) && s.groups[n] != nil {
				same = append(same, s.groups[n])
			}
		}
		sum.groups[n] = sumOfGroups(same)
	}
	return sum
}

func (i *IdleWaits) count(w *wait.Wait) {
	if w.Idle < 0 {
		if w.Role != "" && (w.Op == wait.OpRead || w.Op == wait.OpAccept) {
			i.Unknown++
		}
		return
	}
	if !partsOf(w).entirelyIdle(w.Idle) {
		return
	}
	i.Time += w.Idle
	switch {
	case w.Op == wait.OpAccept:
		i.Accepts++
	case w.Role == wait.RoleAccepted:
		i.KeepAlive++
	case w.Role == wait.RoleDialed:
		i.Pooled++
	default:
		i.Others++
	}
}

func (i IdleWaits) plus(other IdleWaits) IdleWaits {
	return IdleWaits{
		KeepAlive: i.KeepAlive + other.KeepAlive,
		Pooled:    i.Pooled + other.Pooled,
		Accepts:   i.Accepts + other.Accepts,
		Others:    i.Others + other.Others,
		Time:      i.Time + other.Time,
		Unknown:   i.Unknown + other.Unknown,
	}
}

// build makes the table of a window's sums. The list of groups is at least as
// long as that of their sums.
func (s *section) build(sums *sectionSums, groups []group, by order, scratch *Distribution) Section {
	built := Section{Title: s.title, Idle: sums.idle, Totals: NoWaits()}
	built.Open = OpenWaits{Count: sums.open, Oldest: sums.oldest}
	for _, key := range s.groups.keys {
		built.By = append(built.By, KeyInfo{Name: Key(key.Key), Header: key.Header, Numeric: key.Numeric(), Long: key.Long})
	}
	for n, g := range sums.groups {
		if g == nil {
			continue
		}
		row := g.row(scratch)
		row.Key, row.Other, row.Stack = groups[n].texts(len(built.By)), groups[n].other, groups[n].stack
		built.Totals = built.Totals.Plus(row)
		built.Rows = append(built.Rows, row)
	}
	if sums.oldest > 0 {
		built.Open.OldestKey = groups[sums.oldestGroup].texts(len(built.By))
	}
	by.sort(built.Rows, built.By)
	return built
}
