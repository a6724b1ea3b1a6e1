package recording

import (
	"errors"
	"fmt"

	flatbuffers "github.com/google/flatbuffers/go"
)

// envelope is what has to be known of a message before Arrow may see it. Arrow
// trusts the lengths of lists in a message's metadata and allocates for them, which
// ends the process if a length is absurd; openEnvelope checks them. Accidental
// damage is found by the seals, but a malicious file can have valid seals.
type envelope struct {
	kind        messageKind
	bodyLength  int64
	rows        int64     // of a batch
	seal        string    // what a seal says; empty for other messages
	batch       flatTable // a batch's own, and the one within a dictionary
	compression compression
}

// messageKind is the type of a message's header: MessageHeader in Message.fbs.
type messageKind byte

const (
	schemaMessage     messageKind = 1
	dictionaryMessage messageKind = 2
	batchMessage      messageKind = 3
)

// Where the tables of Arrow's Message.fbs and Schema.fbs keep their fields: the
// n-th field of a table, from 0, is at 4 + 2n.
//
// https://github.com/apache/arrow/tree/main/format
const (
	messageHeaderType flatbuffers.VOffsetT = 6
	messageHeader     flatbuffers.VOffsetT = 8
	messageBodyLength flatbuffers.VOffsetT = 10
	messageMetadata   flatbuffers.VOffsetT = 12

	schemaFields   flatbuffers.VOffsetT = 6
	schemaMetadata flatbuffers.VOffsetT = 8

	fieldName     flatbuffers.VOffsetT = 4
	fieldTypeType flatbuffers.VOffsetT = 8
	fieldType     flatbuffers.VOffsetT = 10
	fieldChildren flatbuffers.VOffsetT = 14
	fieldMetadata flatbuffers.VOffsetT = 16

	timestampZone flatbuffers.VOffsetT = 6

	keyValueKey   flatbuffers.VOffsetT = 4
	keyValueValue flatbuffers.VOffsetT = 6

	dictionaryData flatbuffers.VOffsetT = 6

	batchLength      flatbuffers.VOffsetT = 4
	batchBuffers     flatbuffers.VOffsetT = 8
	batchCompression flatbuffers.VOffsetT = 10
	batchVariadic    flatbuffers.VOffsetT = 12

	compressionCodec flatbuffers.VOffsetT = 4
)

// maxColumns bounds what versions to come may add.
const maxColumns = 256

// typeTimestamp is the type of a field that has a text of its own.
const typeTimestamp = 10

// flatTypes are the types of Schema.fbs that have neither lists nor children.
// Other types are refused: no recording has them, and Arrow's code for them
// believes further lengths.
func flatTypes() map[byte]bool {
	const null, integer, float, binary, text, boolean, date, time, duration = 1, 2, 3, 4, 5, 6, 8, 9, 18
	const largeBinary, largeText, binaryView, textView = 19, 20, 23, 24
	return map[byte]bool{
		null: true, integer: true, float: true, binary: true, text: true, boolean: true,
		date: true, time: true, typeTimestamp: true, duration: true,
		largeBinary: true, largeText: true, binaryView: true, textView: true,
	}
}

var errEnvelope = errors.New("a message has an impossible header")

// openEnvelope reads a message's metadata. It panics when an offset leads out
// of it: see guarded.
func openEnvelope(metadata []byte) (envelope, error) {
	message := flatTable{flatbuffers.Table{Bytes: metadata, Pos: flatbuffers.GetUOffsetT(metadata)}, new(int)}
	*message.budget = len(metadata)
	e := envelope{
		kind:       messageKind(message.GetByteSlot(messageHeaderType, 0)),
		bodyLength: message.GetInt64Slot(messageBodyLength, 0),
	}
	header, ok := message.table(messageHeader)
	if !ok || e.bodyLength < 0 {
		return e, errEnvelope
	}
	var err error
	if e.seal, err = message.metadata(messageMetadata, keySeal); err != nil {
		return e, err
	}
	switch e.kind {
	case schemaMessage:
		return e, header.checkSchema()
	case dictionaryMessage:
		data, ok := header.table(dictionaryData)
		if !ok {
			return e, errEnvelope
		}
		return e, e.checkBatch(data)
	case batchMessage:
		e.rows = header.GetInt64Slot(batchLength, 0)
		return e, e.checkBatch(header)
	default:
		return e, fmt.Errorf("%w: kind %d", errEnvelope, e.kind)
	}
}

// flatTable is a table of a FlatBuffer. All tables of a buffer share a budget:
// the bytes of the buffer, from which what they point to is taken. Pointers may
// overlap, but what a writer makes never does.
type flatTable struct {
	flatbuffers.Table
	budget *int
}

func (t flatTable) spend(n int) error {
	*t.budget -= n
	if n < 0 || *t.budget < 0 {
		return fmt.Errorf("%w: its parts are larger than the message", errEnvelope)
	}
	return nil
}

// table is the table that a field points to.
func (t flatTable) table(field flatbuffers.VOffsetT) (flatTable, bool) {
	offset := flatbuffers.UOffsetT(t.Offset(field))
	if offset == 0 {
		return t, false
	}
	return t.at(t.Indirect(t.Pos + offset)), true
}

func (t flatTable) at(position flatbuffers.UOffsetT) flatTable {
	return flatTable{flatbuffers.Table{Bytes: t.Bytes, Pos: position}, t.budget}
}

// text is the text in a field, empty if there is none.
func (t flatTable) text(field flatbuffers.VOffsetT) (string, error) {
	offset := flatbuffers.UOffsetT(t.Offset(field))
	if offset == 0 {
		return "", nil
	}
	text := t.ByteVector(t.Pos + offset)
	if err := t.spend(len(text)); err != nil {
		return "", err
	}
	return string(text), nil
}

// tables is the list of tables in a field.
func (t flatTable) tables(field flatbuffers.VOffsetT) ([]flatTable, error) {
	offset := flatbuffers.UOffsetT(t.Offset(field))
	if offset == 0 {
		return nil, nil
	}
	n := t.VectorLen(offset)
	if err := t.spend(n * flatbuffers.SizeUOffsetT); err != nil {
		return nil, err
	}
	list := make([]flatTable, n)
	for i := range list {
		list[i] = t.at(t.Indirect(t.Vector(offset) + flatbuffers.UOffsetT(i*flatbuffers.SizeUOffsetT)))
	}
	return list, nil
}

// metadata checks the keys and values in a field and returns the value of one.
func (t flatTable) metadata(field flatbuffers.VOffsetT, key string) (value string, err error) {
	pairs, err := t.tables(field)
	if err != nil {
		return "", err
	}
	for _, pair := range pairs {
		k, err := pair.text(keyValueKey)
		if err != nil {
			return "", err
		}
		v, err := pair.text(keyValueValue)
		if err != nil {
			return "", err
		}
		if k == key {
			value = v
		}
	}
	return value, nil
}

func (t flatTable) checkSchema() error {
	if _, err := t.metadata(schemaMetadata, ""); err != nil {
		return err
	}
	fields, err := t.tables(schemaFields)
	if err != nil {
		return err
	}
	if len(fields) > maxColumns {
		return fmt.Errorf("%d columns, more than %d", len(fields), maxColumns)
	}
	types := flatTypes()
	for _, field := range fields {
		if err := field.checkField(types); err != nil {
			return err
		}
	}
	return nil
}

// checkField checks a column of the schema.
func (t flatTable) checkField(types map[byte]bool) error {
	name, err := t.text(fieldName)
	if err != nil {
		return err
	}
	if _, err := t.metadata(fieldMetadata, ""); err != nil {
		return err
	}
	children, err := t.tables(fieldChildren)
	if err != nil {
		return err
	}
	kind := t.GetByteSlot(fieldTypeType, 0)
	if len(children) > 0 || !types[kind] {
		return fmt.Errorf("column %q has a type that no column of a recording has", clip(name))
	}
	if kind != typeTimestamp {
		return nil
	}
	timestamp, ok := t.table(fieldType)
	if !ok {
		return errEnvelope
	}
	_, err = timestamp.text(timestampZone)
	return err
}

// compression is how the body of a message is compressed: CompressionType in
// Message.fbs.
type compression int8

const (
	lz4          compression = 0
	zstandard    compression = 1
	uncompressed compression = -1
)

// checkBatch checks what Arrow believes of a batch's lists, and notes how its
// body is compressed.
func (e *envelope) checkBatch(batch flatTable) error {
	e.batch, e.compression = batch, uncompressed
	if table, ok := batch.table(batchCompression); ok {
		e.compression = compression(table.GetInt8Slot(compressionCodec, int8(lz4)))
	}
	if e.compression > zstandard {
		return fmt.Errorf("a batch is compressed in a way of its own (%d), not with LZ4 or Zstandard", e.compression)
	}
	return batch.checkVariadic()
}

// checkVariadic checks how many buffers the columns of views say that they have:
// together no more than there are.
func (t flatTable) checkVariadic() error {
	offset := flatbuffers.UOffsetT(t.Offset(batchVariadic))
	if offset == 0 {
		return nil
	}
	most := int64(len(t.Bytes) / sizeOfBuffer)
	n := t.VectorLen(offset)
	if err := t.spend(n * flatbuffers.SizeInt64); err != nil {
		return err
	}
	for i := range n {
		count := t.GetInt64(t.Vector(offset) + flatbuffers.UOffsetT(i*flatbuffers.SizeInt64))
		if count < 0 || count > most {
			return errEnvelope
		}
		most -= count
	}
	return nil
}
