package recording

import (
	"cmp"
	"fmt"
	"math/bits"

	"github.com/apache/arrow-go/v18/arrow/memory"
)

// Limits bound what a [Reader] uses for a file that it does not trust, in
// bytes. A file that asks for more counts as damaged. Zero means the default,
// which every recording of this format version stays below.
type Limits struct {
	Metadata int64 // of one message
	Body     int64 // of one message, compressed
	Memory   int64 // of a batch and the dictionaries together, uncompressed
}

func (l Limits) orDefaults() Limits {
	return Limits{
		Metadata: cmp.Or(l.Metadata, 16<<20),
		Body:     cmp.Or(l.Body, 64<<20),
		Memory:   cmp.Or(l.Memory, 256<<20),
	}
}

// recycler gives Arrow memory and keeps what Arrow frees for the next batch,
// which needs the same again. Without it a row costs 150 bytes of garbage when
// it is written and 200 when it is read, and collecting them a quarter of the
// time. It is for one goroutine.
type recycler struct {
	memory.GoAllocator
	free [bits.UintSize][][]byte // by the power of two that is their size
	kept int                     // bytes in free
}

// maxKept bounds what a recycler keeps, in bytes. A batch needs about 6 MB.
const maxKept = 32 << 20

// Allocate implements memory.Allocator.
func (r *recycler) Allocate(size int) []byte {
	class := bits.Len(uint(max(size, 1) - 1))
	free := r.free[class]
	if len(free) == 0 {
		return r.GoAllocator.Allocate(1 << class)[:size]
	}
	last := len(free) - 1
	b := free[last][:size]
	r.free[class] = free[:last]
	r.kept -= cap(b)
	clear(b) // Arrow takes new memory to be zero: it is its bitmap of nulls
	return b
}

// Reallocate implements memory.Allocator.
func (r *recycler) Reallocate(size int, b []byte) []byte {
	if grown, ok := grownInPlace(b, size); ok {
		return grown
	}
	bigger := r.Allocate(size)
	copy(bigger, b)
	r.Free(b)
	return bigger
}

// grownInPlace is b with another size, if it has room for that.
func grownInPlace(b []byte, size int) ([]byte, bool) {
	if size > cap(b) {
		return nil, false
	}
	if size > len(b) {
		clear(b[len(b):size])
	}
	return b[:size], true
}

// Free implements memory.Allocator.
func (r *recycler) Free(b []byte) {
	if cap(b) == 0 || r.kept+cap(b) > maxKept {
		return
	}
	class := bits.Len(uint(cap(b) - 1))
	r.free[class] = append(r.free[class], b)
	r.kept += cap(b)
}

// boundedAllocator is a recycler with a bound on the memory in use. Past it it
// panics, which is the one way to stop Arrow before it asks for what the machine
// does not have; see guarded. LZ4 makes up to 255 bytes of one.
type boundedAllocator struct {
	recycler
	used, most int64
}

// Allocate implements memory.Allocator.
func (a *boundedAllocator) Allocate(size int) []byte {
	if size < 0 || int64(size) > a.most-a.used {
		panic(fmt.Errorf("%d bytes uncompressed and %d in use exceed the limit of %d", size, a.used, a.most))
	}
	b := a.recycler.Allocate(size)
	a.used += int64(cap(b))
	return b
}

// Reallocate implements memory.Allocator.
func (a *boundedAllocator) Reallocate(size int, b []byte) []byte {
	if grown, ok := grownInPlace(b, size); ok {
		return grown
	}
	bigger := a.Allocate(size)
	copy(bigger, b)
	a.Free(b)
	return bigger
}

// Free implements memory.Allocator.
func (a *boundedAllocator) Free(b []byte) {
	a.used -= int64(cap(b))
	a.recycler.Free(b)
}
