package process

import (
	"encoding/binary"
	"slices"

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
	binary *gobinary.Binary
	chains map[string]*chain // the stacks so far, by the bytes of their PCs
	key    []byte            // scratch
	buf    []byte            // scratch for the chunks of one step: some megabytes for a full batch
}

// chain is the PCs of a stack. Of 10,000 connections most wait at the same
// place, and share one.
type chain struct {
	pcs []uint64 // link-time addresses
	// start is the function that it goes out to: 0 for one that does not end
	// as stacks do, in the function that calls a goroutine's.
	start uint64
	// fromC tells that it goes out to where C called Go, and not further: C's
	// frames lie on another stack, and the frame pointer leads there.
	fromC bool
	valid bool // all of it is in functions
}

// Functions that stacks begin in.
const (
	goexit      = "runtime.goexit"      // what the runtime makes the caller of every goroutine's function
	cgocallback = "runtime.cgocallback" // what calls Go for C
)

// stack is what was read of a goroutine's stack.
type stack struct {
	*chain
	// complete tells that the stack reaches the function that the goroutine was
	// started with, or is too deep to be read so far. If the goroutine ran while
	// it was read, this is rarely the case.
	complete bool
}

// walk is the reading of one stack.
type walk struct {
	bp, hi   uint64   // next frame, end of the stack; a bp of 0 ends the walk
	pcs      []uint64 // as in the process
	complete bool     // all of it is known from the start
}

// newWalk begins where the goroutine stopped: where it parked, or where it
// entered a system call. The runtime keeps the address at which it goes on,
// which is behind the call that stopped it.
func newWalk(g *rawG) walk {
	w := walk{hi: g.stackHi, bp: g.schedBP}
	pc := g.schedPC
	if g.status == GSyscall {
		pc, w.bp = g.syscallPC, g.syscallBP
	}
	w.pcs = append(make([]uint64, 0, 16), pc-1)
	// Up to Go 1.22 the runtime did not keep the frame pointer.
	w.complete = g.status == GSyscall && g.syscallBP == 0
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

// read reads the stacks of the goroutines that are parked, at a call that they
// made; those of others, which may stand anywhere, are empty. It reads a chunk of all of them at a time.
func (s *stackReader) read(gs []rawG) ([]stack, error) {
	walks := make([]walk, len(gs))
	pending := make([]int, 0, len(gs))
	for i := range gs {
		if !gs[i].status.Parked() || !gs[i].plausible() {
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
		stacks[i] = s.judge(&walks[i], gs[i].startPC)
	}
	return stacks, nil
}

// judge makes a stack of a walk that has ended.
func (s *stackReader) judge(w *walk, startPC uint64) stack {
	if len(w.pcs) == 0 {
		return stack{chain: new(chain), complete: true}
	}
	c := s.intern(w.pcs)
	ended := w.complete || c.fromC || len(c.pcs) == maxDepth || c.start != 0 && c.start == startPC-s.bias
	return stack{chain: c, complete: c.valid && ended}
}

// step reads one more chunk of each stack that has not ended, and returns
// those that have not ended then.
func (s *stackReader) step(walks []walk, pending []int) ([]int, error) {
	pieces := make([]piece, 0, len(pending))
	unended := pending[:0]
	s.buf = slices.Grow(s.buf[:0], len(pending)*stackChunk)
	free := s.buf[:cap(s.buf)]
	for _, i := range pending {
		w := &walks[i]
		if w.bp == 0 {
			continue
		}
		size := min(w.hi-w.bp, stackChunk)
		pieces = append(pieces, piece{addr: w.bp, buf: free[:size]})
		unended = append(unended, i)
		free = free[size:]
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

// intern takes the bias off the PCs of a stack, and makes one chain of those
// that are alike.
func (s *stackReader) intern(pcs []uint64) *chain {
	s.key = s.key[:0]
	for i := range pcs {
		pcs[i] -= s.bias
		s.key = binary.LittleEndian.AppendUint64(s.key, pcs[i])
	}
	c, ok := s.chains[string(s.key)]
	if !ok {
		c = s.newChain(pcs)
		s.chains[string(s.key)] = c
	}
	return c
}

func (s *stackReader) newChain(pcs []uint64) *chain {
	c := &chain{pcs: pcs, valid: true}
	var above, root gobinary.Func
	for i, pc := range pcs {
		above = root
		if i > 0 {
			pc-- // into the call
		}
		if root, c.valid = s.funcAt(pc); !c.valid {
			return c
		}
	}
	switch root.Name {
	case goexit:
		c.start = above.Entry
	case cgocallback:
		c.fromC = true
	}
	return c
}

// funcAt finds the function that a link-time address is in, of the executable or
// of a plugin: plugins have the addresses that they would have without the bias.
func (s *stackReader) funcAt(pc uint64) (gobinary.Func, bool) {
	if f, ok := s.binary.FuncAt(pc); ok {
		return f, true
	}
	f, ok := s.p.plugins.funcAt(pc + s.bias)
	f.Entry -= s.bias
	return f, ok
}
