package explain

import "github.com/netpolltrace/netpolltrace/wait"

// maxGoroutines is how many goroutines of a process an [Explainer] remembers
// at least; at most it is twice as many. 16,384 take 25 MB.
const maxGoroutines = 1 << 14

// goroutines holds something about the goroutines that were used lately, a T
// for each.
type goroutines[T any] struct {
	most      int // of a process, at least; twice as many at most
	processes map[*wait.Process]*generations[T]
	// last is what of returned last: most waits in a row are of one process.
	last   *generations[T]
	lastOf *wait.Process
	// forgotten counts those that were dropped to make room.
	forgotten uint64
}

// generations is the goroutines of one process. When young is full, what was
// not used since it was empty last is dropped at once.
type generations[T any] struct {
	young, aged map[uint64]*T
}

func newGoroutines[T any](most int) goroutines[T] {
	return goroutines[T]{most: most, processes: make(map[*wait.Process]*generations[T])}
}

func (gs *goroutines[T]) of(p *wait.Process) *generations[T] {
	if gs.last != nil && gs.lastOf == p {
		return gs.last
	}
	known := gs.processes[p]
	if known == nil {
		known = &generations[T]{young: make(map[uint64]*T)}
		gs.processes[p] = known
	}
	gs.last, gs.lastOf = known, p
	return known
}

// find is nil for a goroutine that is not known, or no longer.
func (gs *goroutines[T]) find(p *wait.Process, goid uint64) *T {
	of := gs.of(p)
	if g := of.young[goid]; g != nil {
		return g
	}
	g := of.aged[goid]
	if g != nil {
		delete(of.aged, goid)
		gs.keep(of, goid, g)
	}
	return g
}

func (gs *goroutines[T]) findOrAdd(p *wait.Process, goid uint64) *T {
	g := gs.find(p, goid)
	if g == nil {
		g = new(T)
		gs.keep(gs.of(p), goid, g)
	}
	return g
}

func (gs *goroutines[T]) keep(of *generations[T], goid uint64, g *T) {
	if len(of.young) >= gs.most {
		gs.forgotten += uint64(len(of.aged))
		of.young, of.aged = make(map[uint64]*T), of.young
	}
	of.young[goid] = g
}
