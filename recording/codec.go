package recording

import (
	"encoding/binary"
	"errors"
	"math/bits"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// codec is how one kind of column is stored.
type codec struct {
	dataType   arrow.DataType
	nullable   bool
	newEncoder func() encoder
	newDecoder func(*textAccount) decoder
}

// encoder gathers one column of a batch.
type encoder interface {
	// append adds a block of rows, and is told which of them are events; only
	// the last block of a batch may have fewer than blockRows.
	append(rows []row, events mask)
	// full tells that another block may not fit: the batch has to end here.
	full() bool
	// array is what was appended. It is valid until clear.
	array() arrow.Array
	// clear begins the next batch.
	clear()
}

// decoder hands out one column of a batch.
type decoder interface {
	// load takes the column of the next batch and checks it, so that read
	// cannot go wrong. It may panic: see guarded.
	load(arrow.Array) error
	// blank tells that the batch has nothing in the column that an empty row
	// does not have, so that it need not be read.
	blank() bool
	// read sets the column's field in a block of rows, which begins at row
	// from of the batch, a multiple of blockRows.
	read(rows []row, from int)
}

// blockRows is how many rows go through a column at a time: as many as a mask
// has bits, and few enough to stay in the processor's first cache.
const blockRows = 64

// mask has a bit for each row of a block.
type mask uint64

func (m mask) has(i int) bool { return m>>i&1 != 0 }

// with is m with the bit of row i set to on.
func (m mask) with(i int, on bool) mask {
	var bit mask
	if on {
		bit = 1
	}
	return m | bit<<i
}

// maskOf is the mask with n rows set.
func maskOf(n int) mask { return ^mask(0) >> (blockRows - n) }

// bitmap is a column of bits, a mask for each block.
type bitmap struct {
	bytes []byte
	set   int
}

func (b *bitmap) append(m mask) {
	b.bytes = binary.LittleEndian.AppendUint64(b.bytes, uint64(m))
	b.set += bits.OnesCount64(uint64(m))
}

func (b *bitmap) clear() { b.bytes, b.set = b.bytes[:0], 0 }

// arrayOf makes an array of a column's values; valid is ignored if all are.
// The values are not copied.
func arrayOf(dataType arrow.DataType, n int, valid *bitmap, values []byte) arrow.ArrayData {
	buffers := []*memory.Buffer{nil, memory.NewBufferBytes(values)}
	if valid.set < n {
		buffers[0] = memory.NewBufferBytes(valid.bytes)
	}
	return array.NewData(dataType, n, buffers, nil, n-valid.set, 0)
}

var errShortColumn = errors.New("column is shorter than its batch")

// validity is which rows of a column that was read hold a value.
type validity struct {
	bytes []byte // a bit for each row; empty when all do
	none  bool   // no row does
}

func (v *validity) load(a arrow.Array) error {
	v.bytes, v.none = nil, a.NullN() == a.Len()
	if a.NullN() == 0 {
		return nil
	}
	v.bytes = a.NullBitmapBytes()
	if len(v.bytes) < (a.Len()+7)/8 {
		return errShortColumn
	}
	return nil
}

// block is the mask of the block of n rows that begins at row from.
func (v *validity) block(from, n int) mask {
	if v.bytes == nil {
		return maskOf(n)
	}
	return blockOf(v.bytes, from)
}

// blockOf is the mask at row from of a bitmap. Bits past the bitmap are clear.
func blockOf(bitmap []byte, from int) mask {
	var word [8]byte
	copy(word[:], bitmap[from/8:])
	return mask(binary.LittleEndian.Uint64(word[:]))
}
