package gobinary

import (
	"encoding/binary"
	"iter"

	"github.com/netpolltrace/netpolltrace/wait"
)

// Indices of the tables that tell what was inlined where.
// See internal/abi/symtab.go; unchanged since Go 1.18.
const (
	pcdataInlTreeIndex = 2
	funcdataInlTree    = 3
)

// maxInlined bounds the frames of one address, against damaged tables. The
// compiler's own bound on nesting is lower.
const maxInlined = 100

// Frames is the functions that an address is in, innermost first: more than one
// where calls were inlined. The address is that of an instruction; of a return
// address take 1 off. It is nil for an address outside Go's text.
//
// Each call decodes the tables and allocates: callers that see an address again
// keep the answer.
func (b *Binary) Frames(pc uint64) []wait.Frame {
	t := b.tab
	i, ok := t.index(pc)
	if !ok {
		return nil
	}
	r := t.record(i)
	frames := make([]wait.Frame, 0, 4)
	for len(frames) < maxInlined {
		call, inlined := t.inlinedAt(r, pc)
		name := t.name(r.nameOffset())
		if inlined {
			name = t.name(call.name)
		}
		frame := wait.Frame{
			Func: printName(name),
			File: t.file(r.cu(), t.value(r.pcfile(), r, pc)),
			Line: int(max(t.value(r.pcln(), r, pc), 0)),
		}
		if !frame.Wrapper() || len(frames) == 0 && !inlined {
			frames = append(frames, frame)
		}
		if !inlined {
			break
		}
		pc = r.entry + uint64(call.parentPC)
	}
	return frames
}

// inlinedCall is a call that was replaced by the called function's body.
type inlinedCall struct {
	name     uint32 // offset of the called function's name
	parentPC uint32 // of the call, from the function's entry
}

// inlinedAt is the innermost inlined call that an address is in.
func (t *pclntab) inlinedAt(r funcRecord, pc uint64) (inlinedCall, bool) {
	return t.inlined(r, t.value(r.pcdata(pcdataInlTreeIndex), r, pc))
}

// inlined reads a record of a function's inline tree.
// See runtime/symtabinl.go (inlinedCall): in Go 1.18 and 1.19 a record is
// parent, funcID, _, file, line, func, parentPc in 20 bytes; since then funcID,
// _, nameOff, parentPc, startLine in 16.
func (t *pclntab) inlined(r funcRecord, index int32) (inlinedCall, bool) {
	tree := r.funcdata(funcdataInlTree)
	if tree == noFuncdata || index < 0 {
		return inlinedCall{}, false
	}
	size, name := uint64(16), uint64(4)
	if t.legacy {
		size, name = 20, 12
	}
	at := uint64(tree) + uint64(index)*size
	if at+size > uint64(len(t.gofunc)) {
		return inlinedCall{}, false
	}
	call := t.gofunc[at+name:]
	return inlinedCall{
		name:     binary.LittleEndian.Uint32(call),
		parentPC: binary.LittleEndian.Uint32(call[4:]),
	}, true
}

// maxInlineTree bounds the records that are read of one tree, against damaged
// tables; functions of the runtime have some hundred.
const maxInlineTree = 4096

// inlinedCalls lists the calls that were inlined into a function. The tree does
// not say how long it is; the table of indices uses each of its records.
func (t *pclntab) inlinedCalls(r funcRecord) iter.Seq[inlinedCall] {
	return func(yield func(inlinedCall) bool) {
		last := int32(-1)
		for _, index := range t.ranges(r.pcdata(pcdataInlTreeIndex), r) {
			last = max(last, index)
		}
		for i := int32(0); i <= min(last, maxInlineTree); i++ {
			if call, ok := t.inlined(r, i); !ok || !yield(call) {
				return
			}
		}
	}
}
