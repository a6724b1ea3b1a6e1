package process

import (
	"encoding/binary"

	"github.com/netpolltrace/netpolltrace/gobinary"
)

// maxDepth bounds the frames that are read of a stack.
const maxDepth = 128

// stackChunk is how much is read at once of a goroutine's stack, in bytes.
// Most goroutines that wait use less.
const stackChunk = 4096

// stackReader reads the stacks of goroutines by their frame pointers, which
// all Go code keeps: at a frame pointer lies the caller's, and the return
// address in the word above (amd64 and arm64 alike).
type stackReader struct {
	p      *Process
	bias   uint64
	goexit gobinary.Func       // what every goroutine's function returns to
	chains map[string][]uint64 // the stacks so far, by the bytes of their PCs
	key    []byte              // scratch
	buf    []byte              // scratch
}

// stack is what was read of a goroutine's stack.
type stack struct {
	pcs []uint64 // link-time addresses
	// whole tells that nothing speaks against it: it goes out to the root, or
	// is too deep to be read so far. A stack that ran while it was read rarely
	// looks so; nor does one with a callback from C in it.
	whole bool
}

// walk is the reading of one stack.
type walk struct {
	bp, hi uint64   // next frame, end of the stack; a bp of 0 ends the walk
	pcs    []uint64 // as in the process
	whole  bool     // all of it is known to be there from the start
}

// newWalk begins where the goroutine stopped: where it parked, or where it
// entered a system call. The runtime keeps the address at which it goes on, of
// which the call before is wanted, unless it never ran.
func newWalk(g *rawG) walk {
	w := walk{hi: g.stackHi, bp: g.schedBP}
	pc := g.schedPC
	if g.status == GSyscall {
		pc, w.bp = g.syscallPC, g.syscallBP
	}
	switch {
	case pc == g.startPC:
		w.whole = true
	case g.status == GSyscall && g.syscallBP == 0:
		w.whole = true // up to Go 1.22 the runtime kept no frame pointer
		pc--
	default:
		pc--
	}
	w.pcs = append(make([]uint64, 0, 16), pc)
	if w.bp < g.stackLo {
		w.bp = 0
	}
	w.check()
	return w
}

// check ends the walk if its frame pointer is not one.
func (w *walk) check() {
	const frame = 16 // two words
	if w.bp%8 != 0 || w.bp > w.hi-min(frame, w.hi) || len(w.pcs) >= maxDepth {
		w.bp = 0
	}
}

// follow walks as far as the memory from base on goes.
func (w *walk) follow(memory []byte, base uint64) {
	for w.bp >= base && w.bp-base+16 <= uint64(len(memory)) {
		at := memory[w.bp-base:]
		next, pc := binary.LittleEndian.Uint64(at), binary.LittleEndian.Uint64(at[8:])
		if pc == 0 {
			w.bp = 0
			return
		}
		w.pcs = append(w.pcs, pc)
		if next <= w.bp { // stacks grow down; 0 is the outermost frame's
			w.bp = 0
			return
		}
		w.bp = next
		w.check()
	}
}

// read reads the stacks of the goroutines that stand still; those of others
// are empty. It reads a chunk of all of them at a time.
func (s *stackReader) read(gs []rawG) ([]stack, error) {
	walks := make([]walk, len(gs))
	pending := make([]int, 0, len(gs))
	for i := range gs {
		if !gs[i].settled() || !gs[i].plausible() {
			continue
		}
		walks[i] = newWalk(&gs[i])
		pending = append(pending, i)
	}
	for len(pending) > 0 {
		var err error
		if pending, err = s.step(walks, pending); err != nil {
			return nil, err
		}
	}
	stacks := make([]stack, len(gs))
	for i := range walks {
		pcs := s.intern(walks[i].pcs)
		stacks[i] = stack{pcs: pcs, whole: walks[i].whole || len(pcs) == 0 || len(pcs) == maxDepth || s.atRoot(pcs)}
	}
	return stacks, nil
}

// atRoot tells whether a stack goes out to where all stacks begin.
func (s *stackReader) atRoot(pcs []uint64) bool {
	last := pcs[len(pcs)-1]
	return s.goexit.Entry <= last && last < s.goexit.End
}

// step reads one more chunk of each stack that has not ended, and returns
// those that have not ended then.
func (s *stackReader) step(walks []walk, pending []int) ([]int, error) {
	pieces := make([]piece, 0, len(pending))
	unended := pending[:0]
	used := 0
	for _, i := range pending {
		w := &walks[i]
		if w.bp == 0 {
			continue
		}
		size := int(min(w.hi-w.bp, stackChunk))
		pieces = append(pieces, piece{addr: w.bp, buf: s.scratch(used, size)})
		unended = append(unended, i)
		used += size
	}
	if err := s.p.readPieces(pieces); err != nil {
		return nil, err
	}
	for n, i := range unended {
		if pieces[n].ok {
			walks[i].follow(pieces[n].buf, pieces[n].addr)
		} else {
			walks[i].bp = 0
		}
	}
	return unended, nil
}

// scratch is a part of the scratch buffer, which is good for the stacks of a
// whole batch: some megabytes.
func (s *stackReader) scratch(offset, size int) []byte {
	if s.buf == nil {
		s.buf = make([]byte, maxPieces*stackChunk)
	}
	return s.buf[offset : offset+size]
}

// intern takes the bias off a chain of PCs, and keeps one copy of chains that
// are alike: of 10,000 connections most wait at the same place.
func (s *stackReader) intern(pcs []uint64) []uint64 {
	if len(pcs) == 0 {
		return nil
	}
	s.key = s.key[:0]
	for i := range pcs {
		pcs[i] -= s.bias
		s.key = binary.LittleEndian.AppendUint64(s.key, pcs[i])
	}
	if known, ok := s.chains[string(s.key)]; ok {
		return known
	}
	s.chains[string(s.key)] = pcs
	return pcs
}
