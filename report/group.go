package report

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/netpolltrace/netpolltrace/wait"
	"github.com/netpolltrace/netpolltrace/wait/column"
)

// group is the waits that have the same text for every key.
type group struct {
	key   string // encoded by groups.encode
	other bool
	stack *wait.Stack // of the first wait

	plain *tally // waits without idle time: awaited and all are the same
	idle  *tally // waits with idle time, whole
	owed  *tally // what was awaited of those

	idleTime  time.Duration
	idleKnown bool

	open          uint64
	openTime      time.Duration
	startedBefore uint64
	fds           []int32
	moreFDs       bool
}

// groups finds the group of a wait.
type groups struct {
	keys  []column.Column
	limit int
	byKey map[string]*group
	last  *group // most waits come in runs
	other *group // of what came when the limit was reached
	buf   []byte
}

func newGroups(keys []column.Column, limit int) *groups {
	return &groups{keys: keys, limit: limit, byKey: map[string]*group{}}
}

func (gs *groups) find(w *wait.Wait) *group {
	gs.encode(w)
	if gs.last != nil && string(gs.buf) == gs.last.key {
		return gs.last
	}
	g, ok := gs.byKey[string(gs.buf)]
	switch {
	case ok:
	case len(gs.byKey) < gs.limit:
		g = &group{key: string(gs.buf), stack: w.Stack}
		gs.byKey[g.key] = g
	default:
		if gs.other == nil {
			gs.other = &group{other: true}
		}
		return gs.other
	}
	gs.last = g
	return g
}

// encode writes the wait's key into the buffer: each text, followed by its
// length in 4 bytes. Read from its end it can be decoded whatever the texts
// hold.
func (gs *groups) encode(w *wait.Wait) {
	b := gs.buf[:0]
	for i := range gs.keys {
		start := len(b)
		b = gs.keys[i].Value.Append(b, w)
		b = binary.LittleEndian.AppendUint32(b, uint32(len(b)-start))
	}
	gs.buf = b
}

// decode is the inverse of encode. The other group has no texts.
func (gs *groups) decode(g *group) []string {
	texts := make([]string, len(gs.keys))
	rest := g.key
	for i := len(texts) - 1; i >= 0 && len(rest) >= 4; i-- {
		rest, texts[i] = cutLast(rest)
	}
	return texts
}

func cutLast(key string) (before, text string) {
	end := len(key) - 4
	start := end - int(binary.LittleEndian.Uint32([]byte(key[end:])))
	return key[:start], key[start:end]
}

// all lists the groups, in no order.
func (gs *groups) all() []*group {
	list := make([]*group, 0, len(gs.byKey)+1)
	for _, g := range gs.byKey {
		list = append(list, g)
	}
	if gs.other != nil {
		list = append(list, gs.other)
	}
	return list
}

func (g *group) addOpen(w *wait.Wait, fds bool) {
	g.open++
	g.openTime += max(w.Total, 0)
	if w.StartedBefore {
		g.startedBefore++
	}
	if !fds || w.FD < 0 || slices.Contains(g.fds, w.FD) {
		return
	}
	if len(g.fds) == MaxFDs {
		g.moreFDs = true
		return
	}
	g.fds = append(g.fds, w.FD)
}

func (g *group) addFinished(s scale, w *wait.Wait) {
	count := uint64(1)
	if w.Kind == wait.KindSample {
		count = w.Count
	}
	if w.StartedBefore {
		g.startedBefore += count
	}
	timeout := w.Outcome == wait.OutcomeTimeout
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
	if owed, ok := p.awaited(w.Idle); ok {
		tallyAt(&g.owed, s).add(&owed, count, timeout, !w.StartedBefore)
	}
}

func tallyAt(t **tally, s scale) *tally {
	if *t == nil {
		*t = newTally(s)
	}
	return *t
}

func (g *group) row(key []string) *Row {
	r := &Row{
		Key: key, Other: g.other, Stack: g.stack,
		All: nothing(), Awaited: nothing(), Idle: wait.Unmeasured,
		Open: g.open, OpenTime: g.openTime, StartedBefore: g.startedBefore,
		FDs: slices.Clone(g.fds), MoreFDs: g.moreFDs,
	}
	slices.Sort(r.FDs)
	if g.idleKnown {
		r.Idle = g.idleTime
	}
	if t, other := either(g.plain, g.idle); t != nil {
		r.All = t.numbers(other)
	}
	if g.idle == nil {
		r.Awaited = r.All
	} else if t, other := either(g.plain, g.owed); t != nil {
		r.Awaited = t.numbers(other)
	}
	return r
}

// either returns the tallies that exist, one first.
func either(a, b *tally) (first, second *tally) {
	if a == nil {
		return b, nil
	}
	return a, b
}
