package recording

import (
	"fmt"
	"hash/crc32"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// A recording is a row of segments, each a batch and its seal: a batch without
// rows whose metadata hold, under keySeal, the CRC-32C of all bytes of the file
// before it in eight hexadecimal digits. Arrow has no checksum of its own: its
// LZ4 frames are written without one, and its metadata never had any. To other
// readers a seal is an empty batch. A segment is written in one call, so that a
// recorder which is killed leaves whole segments.

// checksum is the CRC-32C of the bytes so far.
type checksum uint32

func (c checksum) of(more []byte) checksum {
	return checksum(crc32.Update(uint32(c), crc32.MakeTable(crc32.Castagnoli), more))
}

func (c checksum) String() string { return fmt.Sprintf("%08x", uint32(c)) }

// sealOf is the seal to write after the batch, given the checksum of all bytes
// so far. It shares the batch's dictionaries, so that none is written for it.
func sealOf(batch arrow.RecordBatch, sum checksum) arrow.RecordBatch {
	none := batch.NewSlice(0, 0)
	metadata := arrow.NewMetadata([]string{keySeal}, []string{sum.String()})
	return array.NewRecordBatchWithMetadata(batch.Schema(), none.Columns(), 0, metadata)
}

// checkSeal tells whether the batch is the seal of bytes with the checksum.
func checkSeal(seal arrow.RecordBatch, sum checksum) error {
	var text string
	if s, ok := seal.(arrow.RecordBatchWithMetadata); ok {
		metadata := s.Metadata()
		text, _ = metadata.GetValue(keySeal)
	}
	if text == "" || seal.NumRows() != 0 {
		return errNoSeal
	}
	if text != sum.String() {
		return errWrongSum
	}
	return nil
}

// sealedReader reads a file and knows what its seals have to say.
type sealedReader struct {
	file   io.Reader
	sum    checksum
	offset int64 // bytes read so far
	ended  bool  // the file has no more bytes
	err    error // of the file, other than its end
}

// Read implements io.Reader.
func (r *sealedReader) Read(p []byte) (int, error) {
	n, err := r.file.Read(p)
	r.sum = r.sum.of(p[:n])
	r.offset += int64(n)
	switch err {
	case nil:
	case io.EOF:
		r.ended = true
	default:
		r.err = err
	}
	return n, err
}
