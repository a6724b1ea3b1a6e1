package report

import (
	"slices"
	"time"

	"github.com/netpolltrace/netpolltrace/wait"
)

// groupSums is what the waits of one group add up to in one window.
type groupSums struct {
	plain   *tally // waits without idle time: awaited and all are the same
	idle    *tally // waits with idle time, which is included
	awaited *tally // what was awaited of those
	// library is the plain ones of libraries, which people are not shown, and
	// libraryAwaited the awaited ones.
	library, libraryAwaited *tally

	idleTime  time.Duration
	idleKnown bool

	causes       causes
	moved        moved
	libraryMoved moved
	callers      shares[string]
	holders      shares[Holder]
	inUse        int

	open          uint64
	openTime      time.Duration
	startedBefore uint64
	fds           []int32
	moreFDs       bool
}

func (g *groupSums) addOpen(w *wait.Wait, fds bool) {
	g.open++
	g.openTime += max(w.Total, 0)
	if w.StartedBefore {
		g.startedBefore++
	}
	if fds && w.FD >= 0 {
		g.addFD(w.FD)
	}
}

func (g *groupSums) addFD(fd int32) {
	switch {
	case slices.Contains(g.fds, fd):
	case len(g.fds) == MaxFDs:
		g.moreFDs = true
	default:
		g.fds = append(g.fds, fd)
	}
}

func (g *groupSums) addFinished(s scale, w *wait.Wait) {
	count := uint64(1)
	if w.Kind == wait.KindSample {
		count = w.Count
	}
	if w.StartedBefore {
		g.startedBefore += count
	}
	timeout := w.Outcome == wait.OutcomeTimeout
	exact := !w.StartedBefore
	g.causes.add(w)
	p := partsOf(w)
	if w.Idle >= 0 {
		g.idleKnown = true
		g.idleTime += w.Idle * time.Duration(count)
	}
	plain, awaited, moved := &g.plain, &g.awaited, &g.moved
	if ofLibrary(w) {
		plain, awaited, moved = &g.library, &g.libraryAwaited, &g.libraryMoved
	}
	switch {
	case nobodyAwaits(w):
		tallyAt(&g.idle, s).add(&p, count, timeout, exact)
		return
	case w.Idle <= 0:
		tallyAt(plain, s).add(&p, count, timeout, exact)
	default:
		tallyAt(&g.idle, s).add(&p, count, timeout, exact)
		var ok bool
		if p, ok = p.awaited(w.Idle); !ok {
			return
		}
		tallyAt(awaited, s).add(&p, count, timeout, exact)
	}
	moved.add(w, &p, count)
	g.tell(w)
}

// tell keeps what names a row's callers, and who held what it was for.
func (g *groupSums) tell(w *wait.Wait) {
	if w.Stack != nil && w.Stack.Own != "" {
		g.callers.add(w.Stack.Own, w.Awaited())
	}
	if w.Explanation == nil {
		return
	}
	g.inUse = max(g.inUse, w.Explanation.Thing.InUse)
	if holder, d := holderOf(w); d > 0 {
		g.holders.add(holder, d)
	}
}

func tallyAt(t **tally, s scale) *tally {
	if *t == nil {
		*t = newTally(s)
	}
	return *t
}

// sumOfGroups returns what all add up to, which stay as they are; nil for none.
func sumOfGroups(all []*groupSums) *groupSums {
	switch len(all) {
	case 0:
		return nil
	case 1:
		return all[0]
	}
	sum := &groupSums{}
	var tallies [5][]*tally
	for _, g := range all {
		for i, t := range [...]*tally{g.plain, g.idle, g.awaited, g.library, g.libraryAwaited} {
			tallies[i] = append(tallies[i], t)
		}
		sum.idleTime += g.idleTime
		sum.idleKnown = sum.idleKnown || g.idleKnown
		sum.causes.merge(g.causes)
		sum.moved = sum.moved.plus(g.moved)
		sum.libraryMoved = sum.libraryMoved.plus(g.libraryMoved)
		sum.callers.merge(&g.callers)
		sum.holders.merge(&g.holders)
		sum.inUse = max(sum.inUse, g.inUse)
		sum.open += g.open
		sum.openTime += g.openTime
		sum.startedBefore += g.startedBefore
		sum.moreFDs = sum.moreFDs || g.moreFDs
		for _, fd := range g.fds {
			sum.addFD(fd)
		}
	}
	for i, t := range [...]**tally{&sum.plain, &sum.idle, &sum.awaited, &sum.library, &sum.libraryAwaited} {
		*t = sumOf(tallies[i])
	}
	return sum
}

// times are for how long the waits of the program and of libraries were awaited.
func (g *groupSums) times() (program, library time.Duration) {
	return timeOf(g.plain) + timeOf(g.awaited), timeOf(g.library) + timeOf(g.libraryAwaited)
}

// view is what people are to be shown.
type view struct {
	idle      bool // idle time, too
	libraries bool // the waits of libraries, too
}

// row makes the numbers of a row, for which scratch lends its memory.
func (g *groupSums) row(v view, scratch *Distribution) *Row {
	r := &Row{
		Causes: g.causes.list(),
		All:    numbersOf(scratch, g.plain, g.idle, g.library), Idle: wait.Unmeasured,
		Open: g.open, OpenTime: g.openTime, StartedBefore: g.startedBefore,
		FDs: slices.Sorted(slices.Values(g.fds)), MoreFDs: g.moreFDs,
		Callers: g.callers.list(), InUse: g.inUse,
	}
	if holders := g.holders.list(); len(holders) > 0 {
		r.Holder = holders[0]
	}
	r.Awaited = r.All
	if g.idle != nil {
		r.Awaited = numbersOf(scratch, g.plain, g.awaited, g.library, g.libraryAwaited)
	}
	if g.idleKnown {
		r.Idle = g.idleTime
	}
	r.Shown = g.shown(r, v, scratch)
	return r
}

// shown is what people are shown of a row.
func (g *groupSums) shown(r *Row, v view, scratch *Distribution) Numbers {
	switch {
	case v.idle:
		return r.All.move(g.moved.plus(g.libraryMoved))
	case v.libraries:
		return r.Awaited.move(g.moved.plus(g.libraryMoved))
	case g.library == nil && g.libraryAwaited == nil:
		return r.Awaited.move(g.moved)
	}
	return numbersOf(scratch, g.plain, g.awaited).move(g.moved)
}
