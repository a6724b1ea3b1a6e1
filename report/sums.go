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

	idleTime  time.Duration
	idleKnown bool

	causes causes // nil: none is known

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
	g.causes = g.causes.add(w)
	p := partsOf(w)
	if w.Idle >= 0 {
		g.idleKnown = true
		g.idleTime += w.Idle * time.Duration(count)
	}
	if w.Idle <= 0 {
		tallyAt(&g.plain, s).add(&p, count, timeout, !w.StartedBefore)
		return
	}
	tallyAt(&g.idle, s).add(&p, count, timeout, !w.StartedBefore)
	if awaited, ok := p.awaited(w.Idle); ok {
		tallyAt(&g.awaited, s).add(&awaited, count, timeout, !w.StartedBefore)
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
	var plain, idle, awaited []*tally
	for _, g := range all {
		plain, idle, awaited = append(plain, g.plain), append(idle, g.idle), append(awaited, g.awaited)
		sum.idleTime += g.idleTime
		sum.idleKnown = sum.idleKnown || g.idleKnown
		sum.causes = sum.causes.plus(g.causes)
		sum.open += g.open
		sum.openTime += g.openTime
		sum.startedBefore += g.startedBefore
		sum.moreFDs = sum.moreFDs || g.moreFDs
		for _, fd := range g.fds {
			sum.addFD(fd)
		}
	}
	sum.plain, sum.idle, sum.awaited = sumOf(plain), sumOf(idle), sumOf(awaited)
	return sum
}

// row makes the numbers of a row, for which scratch lends its memory.
func (g *groupSums) row(scratch *Distribution) *Row {
	r := &Row{
		Causes: g.causes.list(),
		All:    numbersOf(g.plain, g.idle, scratch), Idle: wait.Unmeasured,
		Open: g.open, OpenTime: g.openTime, StartedBefore: g.startedBefore,
		FDs: slices.Sorted(slices.Values(g.fds)), MoreFDs: g.moreFDs,
	}
	r.Awaited = r.All
	if g.idle != nil {
		r.Awaited = numbersOf(g.plain, g.awaited, scratch)
	}
	if g.idleKnown {
		r.Idle = g.idleTime
	}
	return r
}
