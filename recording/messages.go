package recording

import (
	"encoding/binary"
	"errors"
	"io"

	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// messages reads the messages of a file, a segment at a time, and hands those
// of a complete segment to Arrow. It implements ipc.MessageReader. Arrow's own
// would hand on what nobody checked.
type messages struct {
	file   io.Reader
	limits Limits
	memory *boundedAllocator

	sum    checksum // of all bytes so far
	offset int64    // how many they are
	failed error    // what the file returned, other than its end

	segment []*ipc.Message // of the segment, what Arrow did not ask for
	current *ipc.Message   // what Arrow has; valid until it asks for the next
}

// What can be wrong with a file's bytes.
var (
	errCut      = errors.New("the file ends within a batch")
	errNoBatch  = errors.New("there is a checksum without a batch")
	errNoSeal   = errors.New("a batch has no checksum")
	errWrongSum = errors.New("the bytes do not match their checksum")
	errTooLarge = errors.New("a message is larger than a recording's can be")
	errNoFrame  = errors.New("a message does not start where expected")
	errTrailing = errors.New("bytes follow the end of the recording")
)

// next reads a segment and checks its seal. It returns io.EOF if there is none,
// and errCut if the file ends within it.
func (m *messages) next() error {
	m.drop()
	metadataLeft := m.limits.Metadata
	for len(m.segment) < maxColumns+2 { // schema, dictionaries, batch
		sum := m.sum
		e, message, err := m.message(&metadataLeft)
		if err == io.EOF && len(m.segment) > 0 {
			return errCut
		}
		if err != nil {
			return err
		}
		if e.seal != "" {
			message.Release()
			return checkSeal(e, sum)
		}
		m.segment = append(m.segment, message)
	}
	return errNoSeal
}

// checkSeal tells whether e is the seal of bytes with the checksum.
func checkSeal(e envelope, sum checksum) error {
	if e.kind != batchMessage || e.rows != 0 {
		return errNoSeal
	}
	if e.seal != sum.String() {
		return errWrongSum
	}
	return nil
}

// message reads one message, and takes the size of its metadata from what is
// left for its segment. It returns io.EOF at the end of the stream.
//
// https://arrow.apache.org/docs/format/Columnar.html#encapsulated-message-format
func (m *messages) message(metadataLeft *int64) (envelope, *ipc.Message, error) {
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
	return e, ipc.NewMessage(memory.NewBufferBytes(metadata), body), nil
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
