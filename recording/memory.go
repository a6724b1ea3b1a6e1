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

// boundedAllocator gives Arrow memory up to a bound. Past it it panics, which
// is the one way to stop Arrow before it asks for what the machine does not
// have; see guarded. LZ4 makes up to 255 bytes of one.
type boundedAllocator struct {
	memory.GoAllocator
	used, most int64
}

// Allocate implements memory.Allocator.
func (a *boundedAllocator) Allocate(size int) []byte {
	if size < 0 || int64(size) > a.most-a.used {
		panic(fmt.Errorf("%d bytes uncompressed, beside %d in use, exceed the limit of %d", size, a.used, a.most))
	}
	a.used += int64(size)
	return a.GoAllocator.Allocate(size)
}

// Reallocate implements memory.Allocator.
func (a *boundedAllocator) Reallocate(size int, b []byte) []byte {
	if size <= cap(b) {
		return b[:size]
	}
	bigger := a.Allocate(size)
	copy(bigger, b)
	a.Free(b)
	return bigger
}

// Free implements memory.Allocator.
func (a *boundedAllocator) Free(b []byte) { a.used -= int64(cap(b)) }

// recycler gives a writer's Arrow memory and keeps what Arrow frees for the
// next batch, which needs the same again. Otherwise each row would cost 150
// bytes of garbage, and collecting it a quarter of the time of writing. It is
// for one goroutine.
type recycler struct {
	memory.GoAllocator
	free [bits.UintSize][][]byte // by the power of two that is their size
}

// Allocate implements memory.Allocator.
func (r *recycler) Allocate(size int) []byte {
	class := bits.Len(uint(max(size, 1) - 1))
	free := r.free[class]
	if len(free) == 0 {
		return r.GoAllocator.Allocate(1 << class)[:size]
	}
	last := len(free) - 1
	r.free[class] = free[:last]
	b := free[last][:size]
	clear(b) // Arrow takes new memory to be zero: it is its bitmap of nulls
	return b
}

// Reallocate implements memory.Allocator.
func (r *recycler) Reallocate(size int, b []byte) []byte {
	if size <= cap(b) {
		if size > len(b) {
			clear(b[len(b):size])
		}
		return b[:size]
	}
	bigger := r.Allocate(size)
	copy(bigger, b)
	r.Free(b)
	return bigger
}

// Free implements memory.Allocator.
func (r *recycler) Free(b []byte) {
	if cap(b) == 0 {
		return
	}
	class := bits.Len(uint(cap(b) - 1))
	r.free[class] = append(r.free[class], b)
}
