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

// plus returns what both add up to, which stay as they are. Either can be nil.
func (g *groupSums) plus(other *groupSums) *groupSums {
	switch {
	case g == nil:
		return other
	case other == nil:
		return g
	}
	sum := &groupSums{
		plain:         g.plain.plus(other.plain),
		idle:          g.idle.plus(other.idle),
		awaited:       g.awaited.plus(other.awaited),
		idleTime:      g.idleTime + other.idleTime,
		idleKnown:     g.idleKnown || other.idleKnown,
		causes:        g.causes.plus(other.causes),
		open:          g.open + other.open,
		openTime:      g.openTime + other.openTime,
		startedBefore: g.startedBefore + other.startedBefore,
		fds:           slices.Clone(g.fds),
		moreFDs:       g.moreFDs || other.moreFDs,
	}
	for _, fd := range other.fds {
		sum.addFD(fd)
	}
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
