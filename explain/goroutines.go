package explain

import (
	"github.com/netpolltrace/netpolltrace/internal/recent"
	"github.com/netpolltrace/netpolltrace/wait"
)

// maxGoroutines is how many goroutines of a process an [Explainer] remembers
// at least; at most it is twice as many. 16,384 take 25 MB.
const maxGoroutines = 1 << 14

// goroutines holds something about the goroutines that were used lately, a T
// for each.
type goroutines[T any] struct {
	most      int // of a process, at least; twice as many at most
	processes map[*wait.Process]*recent.Map[uint64, *T]
	// last is what of returned last: most waits in a row are of one process.
	last   *recent.Map[uint64, *T]
	lastOf *wait.Process
}

func newGoroutines[T any](most int) goroutines[T] {
	return goroutines[T]{most: most, processes: make(map[*wait.Process]*recent.Map[uint64, *T])}
}

func (gs *goroutines[T]) of(p *wait.Process) *recent.Map[uint64, *T] {
	if gs.last != nil && gs.lastOf == p {
		return gs.last
	}
	known := gs.processes[p]
	if known == nil {
		known = &recent.Map[uint64, *T]{Limit: gs.most}
		gs.processes[p] = known
	}
	gs.last, gs.lastOf = known, p
	return known
}

// find is nil for a goroutine that is not known, or no longer.
func (gs *goroutines[T]) find(p *wait.Process, goid uint64) *T {
	g, _ := gs.of(p).Get(goid)
	return g
}

func (gs *goroutines[T]) findOrAdd(p *wait.Process, goid uint64) *T {
	g := gs.find(p, goid)
	if g == nil {
		g = new(T)
		gs.of(p).Put(goid, g)
	}
	return g
}

// forgotten counts those that were dropped to make room.
func (gs *goroutines[T]) forgotten() (sum uint64) {
	for _, known := range gs.processes {
		sum += known.Dropped
	}
	return sum
}
