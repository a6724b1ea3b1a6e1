package recording

import (
	"encoding/binary"
	"errors"
	"io"

	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/klauspost/compress/zstd"
)

// messages reads the messages of a file, a segment at a time, and hands those
// of a complete segment to Arrow. It implements ipc.MessageReader. Arrow's own
// would hand on what nobody checked.
//
// Whether a file has seals shows after its first batch: our writer seals that
// one too. In a file without seals a segment ends with its batch.
type messages struct {
	file   io.Reader
	limits Limits
	memory *boundedAllocator
	zstd   *zstd.Decoder // nil until a body needs it

	sum    checksum // of all bytes so far
	offset int64    // how many they are
	failed error    // what the file returned, other than its end

	seals        sealing
	ahead        *aheadMessage  // what follows the segment, in a file without seals
	metadataLeft int64          // for the segment
	segment      []*ipc.Message // of the segment, what Arrow did not ask for
	end          int64          // of the segment: how many bytes are before it
	current      *ipc.Message   // what Arrow has; valid until it asks for the next
}

// sealing tells whether the segments of a file have seals.
type sealing uint8

const (
	sealsUnknown sealing = iota
	sealed
	unsealed // another tool wrote the file
	copied   // another tool wrote it, with seals of the file that it read
)

// aheadMessage is a message that was read to see whether it is a seal, or the
// error instead of it.
type aheadMessage struct {
	envelope envelope
	message  *ipc.Message
	err      error
}

// What can be wrong with a file's bytes.
var (
	errCut      = errors.New("the file ends within a batch")
	errNoBatch  = errors.New("there is a checksum without a batch")
	errNoSeal   = errors.New("a batch has no checksum")
	errSeal     = errors.New("a batch has a checksum, although the first has none")
	errWrongSum = errors.New("the bytes do not match their checksum")
	errTooLarge = errors.New("a message is larger than a recording's can be")
	errNoFrame  = errors.New("a message does not start where expected")
	errTrailing = errors.New("bytes follow the end of the recording")
)

// next reads a segment and checks its seal, if the file has seals. It returns
// io.EOF if there is none, and errCut if the file ends within it.
func (m *messages) next() error {
	m.drop()
	if m.ahead == nil {
		m.metadataLeft = m.limits.Metadata
	}
	batch, err := m.readBatch()
	if err != nil {
		return err
	}
	m.end = m.offset
	return m.endSegment(batch)
}

// readBatch reads messages up to a batch.
func (m *messages) readBatch() (envelope, error) {
	for len(m.segment) < maxColumns+2 { // schema, dictionaries, batch
		e, message, err := m.take()
		switch {
		case err == io.EOF && len(m.segment) > 0:
			return e, errCut
		case err != nil:
			return e, err
		case e.seal != "" && m.seals != copied:
			message.Release()
			return e, errNoBatch
		}
		m.segment = append(m.segment, message)
		if e.kind == batchMessage {
			return e, nil
		}
	}
	return envelope{}, errTooLarge
}

// take is the message that was read ahead, or the next one of the file.
func (m *messages) take() (envelope, *ipc.Message, error) {
	if a := m.ahead; a != nil {
		m.ahead = nil
		return a.envelope, a.message, a.err
	}
	return m.message(&m.metadataLeft)
}

// endSegment looks at what follows a batch: its seal, in a file with seals.
func (m *messages) endSegment(batch envelope) error {
	if m.seals == unsealed || m.seals == copied {
		m.metadataLeft = m.limits.Metadata // what follows is of the next segment
	}
	sum, offset := m.sum, m.offset
	next, message, err := m.message(&m.metadataLeft)
	if m.seals == sealsUnknown {
		m.seals = sealsAfter(batch, next, sum, offset, err)
	}
	switch {
	case m.seals == unsealed && err == nil && next.seal != "":
		message.Release()
		return errSeal
	case m.seals != sealed:
		m.ahead = &aheadMessage{next, message, err}
		return nil
	case err == io.EOF:
		return errCut
	case err != nil:
		return err
	}
	message.Release()
	m.end = m.offset
	return checkSeal(next, sum, offset)
}

// sealsAfter is whether a file has seals, by what follows its first batch.
func sealsAfter(first, next envelope, sum checksum, offset int64, err error) sealing {
	switch {
	case err == io.EOF:
		return unsealed
	case err != nil && first.rows == 0:
		return sealed // of ours, whose first batch has no rows; its seal is damaged or cut
	case err != nil || next.seal == "":
		return unsealed
	case copiedSeal(next.seal, sum, offset):
		return copied
	}
	return sealed
}

// checkSeal tells whether e is the seal of the bytes before it.
func checkSeal(e envelope, sum checksum, offset int64) error {
	switch {
	case e.kind != batchMessage || e.rows != 0 || e.seal == "":
		return errNoSeal
	case !sealMatches(e.seal, sum, offset):
		return errWrongSum
	}
	return nil
}

// message reads one message, and takes the size of its metadata from what is
// left for its segment. It returns io.EOF at the end of the stream.
func (m *messages) message(metadataLeft *int64) (e envelope, message *ipc.Message, err error) {
	err = guarded(func() (err error) {
		e, message, err = m.readMessage(metadataLeft)
		return err
	})
	return e, message, err
}

// readMessage is message where what the file says of itself cannot be true: it
// may panic.
//
// https://arrow.apache.org/docs/format/Columnar.html#encapsulated-message-format
func (m *messages) readMessage(metadataLeft *int64) (envelope, *ipc.Message, error) {
	size, err := m.frame()
	if err != nil {
		return envelope{}, nil, err
	}
	if size > *metadataLeft {
		return envelope{}, nil, errTooLarge
	}
	*metadataLeft -= size
	metadata := make([]byte, size)
	if err := m.read(metadata); err != nil {
		return envelope{}, nil, err
	}
	e, err := openEnvelope(metadata)
	if err != nil {
		return e, nil, err
	}
	if e.bodyLength > m.limits.Body {
		return e, nil, errTooLarge
	}
	body := memory.NewResizableBuffer(m.memory)
	defer body.Release() // the message has it then
	body.Resize(int(e.bodyLength))
	if err := m.read(body.Bytes()); err != nil {
		return e, nil, err
	}
	if e.compression == zstandard {
		whole, err := m.decompress(e.batch, body.Bytes())
		if err != nil {
			return e, nil, err
		}
		defer whole.Release()
		body = whole
	}
	return e, ipc.NewMessage(memory.NewBufferBytes(metadata), body), nil
}

// decompress is a body compressed with Zstandard, as Arrow is given it.
func (m *messages) decompress(batch flatTable, body []byte) (whole *memory.Buffer, err error) {
	if m.zstd == nil {
		if m.zstd, err = newDecoder(); err != nil {
			return nil, err
		}
	}
	return decompress(m.zstd, batch, body, m.memory)
}

// frame reads what stands before a message: the size of its metadata.
func (m *messages) frame() (size int64, err error) {
	var frame [8]byte
	before := m.offset
	if err := m.read(frame[:]); err != nil {
		if m.offset == before && err == errCut {
			return 0, io.EOF
		}
		return 0, err
	}
	if string(frame[:4]) != arrowMessage {
		return 0, errNoFrame
	}
	size = int64(binary.LittleEndian.Uint32(frame[4:]))
	switch {
	case size == 0: // the mark with which Arrow ends a stream
		return 0, io.EOF
	case size < 8:
		return 0, errNoFrame
	}
	return size, nil
}

// read fills p from the file.
func (m *messages) read(p []byte) error {
	n, err := io.ReadFull(m.file, p)
	m.sum = m.sum.of(p[:n])
	m.offset += int64(n)
	switch err {
	case nil:
		return nil
	case io.EOF, io.ErrUnexpectedEOF:
		return errCut
	default:
		m.failed = err
		return err
	}
}

// atEnd tells whether the file has no more bytes.
func (m *messages) atEnd() bool { return m.read(make([]byte, 1)) == errCut }

// Message implements ipc.MessageReader for the current segment.
func (m *messages) Message() (*ipc.Message, error) {
	if len(m.segment) == 0 {
		return nil, io.EOF
	}
	if m.current != nil {
		m.current.Release()
	}
	m.current, m.segment = m.segment[0], m.segment[1:]
	return m.current, nil
}

// drop releases what is left of a segment.
func (m *messages) drop() {
	for _, message := range m.segment {
		message.Release()
	}
	m.segment = nil
}

// Retain implements ipc.MessageReader. There is one reference, the Reader's.
func (m *messages) Retain() {}

// Release implements ipc.MessageReader.
func (m *messages) Release() {}
