package recording

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow/memory"
	flatbuffers "github.com/google/flatbuffers/go"
	"github.com/klauspost/compress/zstd"
)

// Other tools compress with Zstandard. Its frames say how large a window they
// need, which Arrow's reader believes and allocates. So such a body is
// decompressed here, into memory of the size that each buffer says it has and
// that the allocator bounds; Arrow gets it as a body of buffers that are stored
// as they are.

// sizeOfBuffer is the size of a Buffer of Schema.fbs: an offset and a length.
const sizeOfBuffer = 16

// storedLength is what stands before a buffer of a compressed body that is
// stored as it is, in place of its length: BodyCompressionMethod in Message.fbs.
const storedLength = ^uint64(0)

// lengthSize is how many bytes of a buffer in a compressed body are its length.
const lengthSize = 8

var errBuffer = errors.New("a compressed buffer is not as long as it says")

// newDecoder is a decoder of buffers that writes no more than there is room for.
func newDecoder() (*zstd.Decoder, error) {
	return zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecodeAllCapLimit(true))
}

// decompress is the body of a batch with its buffers stored as they are. It
// changes the batch so that it describes that body.
func decompress(decoder *zstd.Decoder, batch flatTable, body []byte, allocator memory.Allocator) (*memory.Buffer, error) {
	buffers, err := batch.buffers(body)
	if err != nil {
		return nil, err
	}
	size := 0
	for _, b := range buffers {
		size += b.size()
	}
	whole := memory.NewResizableBuffer(allocator)
	whole.Resize(size)
	at := 0
	for _, b := range buffers {
		if err := b.decompress(decoder, whole.Bytes()[at:at+b.size()]); err != nil {
			whole.Release()
			return nil, err
		}
		b.moveTo(at)
		at += b.size()
	}
	compression, _ := batch.table(batchCompression)
	compression.MutateByteSlot(compressionCodec, byte(lz4)) // all buffers are stored, so it does not matter
	return whole, nil
}

// bodyBuffer is a buffer of a compressed body.
type bodyBuffer struct {
	entry  []byte // where the batch has its offset and its length
	data   []byte // as it is in the body, without its length
	length int    // of the data, uncompressed
	stored bool   // the data is stored as it is
}

// buffers are the buffers of a batch that are not empty.
func (t flatTable) buffers(body []byte) ([]bodyBuffer, error) {
	offset := flatbuffers.UOffsetT(t.Offset(batchBuffers))
	if offset == 0 {
		return nil, nil
	}
	n := t.VectorLen(offset)
	if err := t.spend(n * sizeOfBuffer); err != nil {
		return nil, err
	}
	entries := t.Bytes[t.Vector(offset):]
	var buffers []bodyBuffer
	for i := range n {
		b := bodyBuffer{entry: entries[i*sizeOfBuffer : (i+1)*sizeOfBuffer]}
		empty, err := b.find(body)
		if err != nil {
			return nil, err
		}
		if !empty {
			buffers = append(buffers, b)
		}
	}
	return buffers, nil
}

// find looks up the buffer in the body.
func (b *bodyBuffer) find(body []byte) (empty bool, err error) {
	from := binary.LittleEndian.Uint64(b.entry)
	size := binary.LittleEndian.Uint64(b.entry[8:])
	switch {
	case size == 0:
		return true, nil
	case from > uint64(len(body)) || size > uint64(len(body))-from || size < lengthSize:
		return false, errBuffer
	}
	data := body[from : from+size]
	length := binary.LittleEndian.Uint64(data)
	b.data = data[lengthSize:]
	if length == storedLength {
		b.stored, b.length = true, len(b.data)
		return false, nil
	}
	const most = 1 << 40 // more than any limit, and no sum of them overflows
	if length > most {
		return false, errTooLarge
	}
	b.length = int(length)
	return false, nil
}

// size is how much of a body the buffer takes when it is stored, aligned as
// Arrow wants it.
func (b *bodyBuffer) size() int {
	const alignment = 64
	return (lengthSize + b.length + alignment - 1) / alignment * alignment
}

// decompress stores the buffer.
func (b *bodyBuffer) decompress(decoder *zstd.Decoder, into []byte) error {
	binary.LittleEndian.PutUint64(into, storedLength)
	into = into[lengthSize : lengthSize+b.length : lengthSize+b.length]
	if b.stored {
		copy(into, b.data)
		return nil
	}
	plain, err := decoder.DecodeAll(b.data, into[:0])
	if err != nil {
		return fmt.Errorf("decompressing a buffer: %w", err)
	}
	if len(plain) != b.length {
		return errBuffer
	}
	return nil
}

// moveTo makes the batch's entry that of a buffer stored at an offset.
func (b *bodyBuffer) moveTo(offset int) {
	binary.LittleEndian.PutUint64(b.entry, uint64(offset))
	binary.LittleEndian.PutUint64(b.entry[8:], uint64(lengthSize+b.length))
}
