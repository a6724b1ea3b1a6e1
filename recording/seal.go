package recording

import (
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// A recording is a row of segments, each a batch and its seal: a batch without
// rows whose metadata hold, under keySeal, the CRC-32C of all bytes of the file
// before it in eight hexadecimal digits, and the number of those bytes. A tool
// that copies the metadata of batches copies seals, too: the number tells those
// from the seals of a damaged file. Arrow has no checksum of its own: its
// LZ4 frames are written without one, and its metadata never had any. To other
// readers a seal is an empty batch. A segment is written in one call, so that a
// recorder that is killed leaves complete segments. It is read completely first, so
// that Arrow sees no bytes that do not match their seal.

// checksum is the CRC-32C of the bytes so far.
type checksum uint32

func (c checksum) of(more []byte) checksum {
	return checksum(crc32.Update(uint32(c), crc32.MakeTable(crc32.Castagnoli), more))
}

func (c checksum) String() string { return fmt.Sprintf("%08x", uint32(c)) }

// sealText is what the seal says that follows so many bytes.
func sealText(sum checksum, offset int64) string { return fmt.Sprintf("%s %d", sum, offset) }

// copiedSeal tells whether a seal after so many bytes was made for another
// place. The seals of the first recordings have no number: one of those that does
// not match was copied.
func copiedSeal(text string, sum checksum, offset int64) bool {
	crc, made, numbered := strings.Cut(text, " ")
	if !numbered {
		return crc != sum.String()
	}
	return made != strconv.FormatInt(offset, 10)
}

// sealMatches tells whether a seal is that of the bytes before it. It may have no
// number.
func sealMatches(text string, sum checksum, offset int64) bool {
	return text == sealText(sum, offset) || text == sum.String()
}

// sealOf is the seal to write after the batch, given the checksum and the number
// of all bytes so far. It shares the batch's dictionaries, so that none is
// written for it.
func sealOf(batch arrow.RecordBatch, sum checksum, offset int64) arrow.RecordBatch {
	none := batch.NewSlice(0, 0)
	metadata := arrow.NewMetadata([]string{keySeal}, []string{sealText(sum, offset)})
	return array.NewRecordBatchWithMetadata(batch.Schema(), none.Columns(), 0, metadata)
}
