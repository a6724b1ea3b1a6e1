package process

import (
	"slices"

	"github.com/netpolltrace/netpolltrace/wait"
)

// maxRounds is how often goroutines that changed while they were read are
// read again.
const maxRounds = 3

// ioWait is the descriptor that a goroutine waits for in the netpoller.
type ioWait struct {
	entry EpollEntry
	pd    uint64
	write bool
}

// round is one reading of the goroutines that changed during the last one.
type round struct {
	*reader
	last    bool              // the last one: what is not known by now stays unknown
	waiting map[uint64]ioWait // who waits in the netpoller, by the address of g

	goroutines  []Goroutine
	changed     []uint64 // addresses of the gs that did not stay the same
	implausible int      // those among them that look like no goroutine
	unmatched   int      // those among them that wait for a descriptor not known
}

// collect reads all goroutines, and returns also how many were left out.
func (r *reader) collect() (all []Goroutine, changed int, err error) {
	pending, err := r.addresses()
	if err != nil || len(pending) == 0 {
		return nil, 0, err
	}
	implausible := 0
	for n := range maxRounds {
		round := round{reader: r, last: n == maxRounds-1, goroutines: all}
		if err := round.run(pending); err != nil {
			return nil, 0, err
		}
		all, pending, implausible = round.goroutines, round.changed, round.implausible
		if len(pending) == 0 {
			break
		}
		if round.unmatched > 0 {
			if err := r.refreshEntries(); err != nil {
				return nil, 0, err
			}
		}
	}
	return all, len(pending), r.check(all, implausible)
}

// refreshEntries reads the epoll set again, for descriptors that are new.
func (r *reader) refreshEntries() error {
	if r.poller.EpFD < 0 {
		return nil
	}
	entries, err := r.p.epollEntries(r.poller.EpFD)
	if err != nil {
		return err
	}
	r.poller.entries = slices.DeleteFunc(entries, r.isBreak)
	return nil
}

func (r *round) run(addrs []uint64) error {
	var err error
	if r.waiting, err = r.readWaiting(r.poller.entries); err != nil {
		return err
	}
	for batch := range slices.Chunk(addrs, maxPieces) {
		if err := r.batch(batch); err != nil {
			return err
		}
	}
	return nil
}

// readWaiting reads who waits for some entries of the epoll set.
func (r *reader) readWaiting(entries []EpollEntry) (map[uint64]ioWait, error) {
	waiting := make(map[uint64]ioWait, len(entries))
	err := r.pollDescs(entries, r.poller.Decoding, func(e EpollEntry, pd pollDesc) {
		if pd.RG > maxPollState {
			waiting[pd.RG] = ioWait{entry: e, pd: pd.Addr}
		}
		if pd.WG > maxPollState {
			waiting[pd.WG] = ioWait{entry: e, pd: pd.Addr, write: true}
		}
	})
	return waiting, err
}

// batch reads some goroutines, their stacks and their pollDescs, and then the
// goroutines again: those that are as before are good.
func (r *round) batch(addrs []uint64) error {
	before, err := r.readGs(addrs)
	if err != nil {
		return err
	}
	stacks, err := r.stacks.read(before)
	if err != nil {
		return err
	}
	confirmed, err := r.readWaiting(r.entriesOf(before))
	if err != nil {
		return err
	}
	after, err := r.readGs(addrs)
	if err != nil {
		return err
	}
	for i := range before {
		if g := &before[i]; !g.gone() || !after[i].gone() {
			r.take(g, &after[i], stacks[i], confirmed)
		}
	}
	return nil
}

// entriesOf are the entries of the epoll set that goroutines wait for.
func (r *round) entriesOf(gs []rawG) []EpollEntry {
	var entries []EpollEntry
	for i := range gs {
		if w, ok := r.waiting[gs[i].addr]; ok {
			entries = append(entries, w.entry)
		}
	}
	return entries
}

// take adds a goroutine to those that were read, or to those that changed.
func (r *round) take(g, after *rawG, stack stack, waiting map[uint64]ioWait) {
	if !g.same(after) || !stack.complete && !r.last {
		r.changed = append(r.changed, g.addr)
		return
	}
	if !g.plausible() {
		r.implausible++
		r.changed = append(r.changed, g.addr)
		return
	}
	goroutine := r.describe(g)
	if stack.complete {
		goroutine.PCs = stack.pcs
	}
	if goroutine.Reason == wait.ReasonIO {
		w, ok := waiting[g.addr]
		switch {
		case ok:
			goroutine.PollDesc, goroutine.FD, goroutine.Write = w.pd, int32(w.entry.FD), w.write
		case !r.last:
			r.unmatched++
			r.changed = append(r.changed, g.addr)
			return
		}
	}
	r.goroutines = append(r.goroutines, goroutine)
}

// readGs reads the gs at some addresses. One that cannot be read is zero.
func (r *reader) readGs(addrs []uint64) ([]rawG, error) {
	l := &r.layout.G
	size := gSize(l)
	if r.gs.buf == nil {
		r.gs.buf = make([]byte, size*maxPieces)
	}
	pieces := r.gs.pieces[:0]
	for i, addr := range addrs {
		pieces = append(pieces, piece{addr: addr, buf: r.gs.buf[i*size : (i+1)*size]})
	}
	r.gs.pieces = pieces
	if err := r.p.readPieces(pieces); err != nil {
		return nil, err
	}
	gs := make([]rawG, len(addrs))
	for i := range pieces {
		if pieces[i].ok {
			gs[i] = decodeG(l, addrs[i], pieces[i].buf)
		}
	}
	return gs, nil
}

// reasonSyscall is what a goroutine in a system call waits for, which the
// runtime has no reason for; its stack dumps call it so.
const reasonSyscall = "syscall"

func (r *reader) describe(g *rawG) Goroutine {
	goroutine := Goroutine{
		Addr: g.addr, Goid: g.goid, Status: g.status, ParentGoid: g.parentGoid,
		StartPC: g.startPC - r.bias, GoPC: g.goPC - r.bias, FD: -1,
	}
	switch g.status {
	case GWaiting, GLeaked:
		goroutine.WaitReason = g.waitReason
		if int(g.waitReason) < len(r.reasons) {
			goroutine.Reason = r.reasons[g.waitReason]
		}
	case GSyscall:
		goroutine.Reason = reasonSyscall
	}
	goroutine.System = wait.SystemGoroutine(r.startFunc(goroutine.StartPC), goroutine.Reason)
	return goroutine
}

// startFunc is the name of the function at an address.
func (r *reader) startFunc(pc uint64) string {
	name, ok := r.starts[pc]
	if !ok {
		f, _ := r.stacks.funcAt(pc)
		name = f.Name
		r.starts[pc] = name
	}
	return name
}
