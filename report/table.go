package report

import (
	"time"

	"github.com/netpolltrace/netpolltrace/wait"
	"github.com/netpolltrace/netpolltrace/wait/column"
)

// Section is one table of a report.
type Table struct {
	// Title is what the table is about; empty if it is what was asked for
	// with [Options.By].
	Title string
	By    []KeyInfo
	// Screen is set for the first screen: by whom the waits keep waiting
	// ([KeyFor]), then by what they were for.
	Screen bool
	Rows   []*Row // in the order asked for
	Totals Row    // the sums of all rows
	Idle   IdleWaits
	Open   OpenWaits
	// Libraries is the waits of libraries that no wait of the program was
	// explained by, where those are not in [Row.Shown].
	Libraries wait.Served
	// OwnHint is a path that could be the program's own code, where hardly any
	// is known to be; empty otherwise.
	OwnHint string
}

// KeyInfo is a key of a table and how people see it.
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
	Work      uint64 // a worker's for its next work
	Timers    uint64 // a background loop's for its next turn
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

// screenKeys are those of the first screen.
var screenKeys = []Key{KeyFor, KeyPeer, KeyLine}

// isNetwork tells whether the netpoller is to end the wait.
func isNetwork(w *wait.Wait) bool {
	return w.Op != "" || w.Reason == wait.ReasonIO
}

// table is a [Table] while waits are added.
type table struct {
	title  string
	screen bool
	groups *groups
}

// newTable makes the table by some keys; the first screen if there are none.
func newTable(by []Key, limit int) (*table, error) {
	s := &table{}
	if len(by) == 0 {
		s.title, s.screen, by = "Waited for", true, screenKeys
	}
	var keys []column.Column
	for _, name := range by {
		key, err := keyNamed(name)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	s.groups = newGroups(keys, limit)
	return s, nil
}

// tableSums is what the waits of a table add up to in one window.
type tableSums struct {
	groups []*groupSums // by the group's number; nil: no waits
	idle   IdleWaits
	// libraries is the waits of libraries, served those of them that waits of the
	// program were explained by.
	libraries, served wait.Served
	open              uint64        // waits in which a reply was pending
	oldest            time.Duration // of those
	// oldestGroup is the number of the oldest one's group, if there is one.
	oldestGroup int
}

// group finds the sums of a group by its number.
func (s *tableSums) group(n int) *groupSums {
	return numbered(&s.groups, n)
}

// numbered is the n-th of a list, which grows as far as that, and is made if it was
// not asked for before.
func numbered[T any](list *[]*T, n int) *T {
	if n >= len(*list) {
		*list = append(*list, make([]*T, n+1-len(*list))...)
	}
	if (*list)[n] == nil {
		(*list)[n] = new(T)
	}
	return (*list)[n]
}

// add adds a wait of the group with that number.
func (s *tableSums) add(w *wait.Wait, group int, sc scale, fds bool) {
	g := s.group(group)
	if w.Idle != 0 {
		s.idle.count(w)
	}
	if w.Kind != wait.KindOpen {
		g.addFinished(sc, w)
		s.countLibraries(w)
		return
	}
	g.addOpen(w, fds)
	age := w.Awaited()
	if age <= 0 || ofLibrary(w) || nobodyAwaits(w) {
		return
	}
	s.open++
	if age > s.oldest {
		s.oldest, s.oldestGroup = age, group
	}
}

// countLibraries counts the waits of libraries apart.
func (s *tableSums) countLibraries(w *wait.Wait) {
	if w.Explanation == nil {
		return
	}
	s.served = plusServed(s.served, w.Explanation.Served)
	if awaited := w.Awaited(); ofLibrary(w) && awaited > 0 {
		s.libraries = plusServed(s.libraries, wait.Served{Waits: 1, Time: awaited})
	}
}

func plusServed(a, b wait.Served) wait.Served {
	return wait.Served{Waits: a.Waits + b.Waits, Time: a.Time + b.Time}
}

// apart is the waits of libraries that no wait of the program was explained by.
// One can be explained in a later window than it is in.
func (s *tableSums) apart() wait.Served {
	if s.served.Waits >= s.libraries.Waits {
		return wait.Served{}
	}
	return wait.Served{Waits: s.libraries.Waits - s.served.Waits, Time: max(0, s.libraries.Time-s.served.Time)}
}

// sumOfTables returns what all add up to, which stay as they are.
func sumOfTables(all []*tableSums) tableSums {
	var sum tableSums
	longest := 0
	for _, s := range all {
		longest = max(longest, len(s.groups))
		sum.idle = sum.idle.plus(s.idle)
		sum.libraries = plusServed(sum.libraries, s.libraries)
		sum.served = plusServed(sum.served, s.served)
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
	if nobodyAwaits(w) {
		i.countBlocked(w)
		return
	}
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

func (i *IdleWaits) countBlocked(w *wait.Wait) {
	i.Time += max(w.Total, 0)
	switch w.Explanation.Idle {
	case wait.IdleWork:
		i.Work++
	case wait.IdleTimer:
		i.Timers++
	}
}

func (i IdleWaits) plus(other IdleWaits) IdleWaits {
	return IdleWaits{
		KeepAlive: i.KeepAlive + other.KeepAlive,
		Pooled:    i.Pooled + other.Pooled,
		Accepts:   i.Accepts + other.Accepts,
		Work:      i.Work + other.Work,
		Timers:    i.Timers + other.Timers,
		Others:    i.Others + other.Others,
		Time:      i.Time + other.Time,
		Unknown:   i.Unknown + other.Unknown,
	}
}

// build makes the table of a window's sums. The list of groups is at least as
// long as that of their sums.
func (s *table) build(sums *tableSums, groups []group, sealed *sealed, scratch *Distribution) Table {
	built := Table{Title: s.title, Screen: s.screen, Idle: sums.idle, Totals: NoWaits()}
	built.Open = OpenWaits{Count: sums.open, Oldest: sums.oldest}
	for _, key := range s.groups.keys {
		built.By = append(built.By, KeyInfo{Name: Key(key.Key), Header: key.Header, Numeric: key.Numeric(), Long: key.Long})
	}
	v := view{idle: sealed.options.Idle, libraries: sums.ofLibraries()}
	if !v.idle && !v.libraries {
		built.Libraries = sums.apart()
	}
	built.OwnHint = ownHint(sums, groups, sealed.targets)
	for n, g := range sums.groups {
		if g == nil {
			continue
		}
		row := g.row(v, scratch)
		row.Key, row.Other, row.Stack = groups[n].texts(len(built.By)), groups[n].other, groups[n].stack
		built.Totals = built.Totals.Plus(row)
		built.Rows = append(built.Rows, row)
	}
	if sums.oldest > 0 {
		built.Open.OldestKey = groups[sums.oldestGroup].texts(len(built.By))
	}
	sealed.order.sort(built.Rows, built.By)
	return built
}

// littleShare is the share of the time below which something is not what a
// report is about: a twentieth.
const littleShare = 20

// ofLibraries tells whether hardly any wait is the program's own, so that those of
// libraries are all that there is to see.
func (s *tableSums) ofLibraries() bool {
	var program, library time.Duration
	for _, g := range s.groups {
		if g != nil {
			p, l := g.times()
			program, library = program+p, library+l
		}
	}
	return program < (program+library)/littleShare
}
