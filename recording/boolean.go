package recording

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/netpolltrace/netpolltrace/wait"
)

// booleans is a column of booleans, null for events.
type booleans struct {
	at func(*wait.Wait) *bool
}

// boolean is a column of booleans, null for events.
func boolean(at func(*wait.Wait) *bool) codec {
	return codec{
		dataType:   arrow.FixedWidthTypes.Boolean,
		nullable:   true,
		newEncoder: func() encoder { return &booleanEncoder{booleans: booleans{at}} },
		newDecoder: func(*textAccount) decoder { return &booleanDecoder{booleans: booleans{at}} },
	}
}

type booleanEncoder struct {
	booleans
	rows          int
	valid, values bitmap
}

func (e *booleanEncoder) append(rows []row, events mask) {
	var values mask
	for i := range rows {
		values = values.with(i, *e.at(&rows[i].Wait))
	}
	e.valid.append(maskOf(len(rows)) &^ events)
	e.values.append(values)
	e.rows += len(rows)
}

func (e *booleanEncoder) full() bool { return false }

func (e *booleanEncoder) array() arrow.Array {
	return array.MakeFromData(arrayOf(arrow.FixedWidthTypes.Boolean, e.rows, &e.valid, e.values.bytes))
}

func (e *booleanEncoder) clear() {
	e.rows = 0
	e.valid.clear()
	e.values.clear()
}

type booleanDecoder struct {
	booleans
	values []byte
	valid  validity
}

func (d *booleanDecoder) load(a arrow.Array) error {
	if a.DataType().ID() != arrow.BOOL {
		return fmt.Errorf("column of %s, want bool", a.DataType())
	}
	d.values = nil
	if a.Len() > 0 {
		d.values = a.Data().Buffers()[1].Bytes()
	}
	if len(d.values) < (a.Len()+7)/8 {
		return errShortColumn
	}
	return d.valid.load(a)
}

func (d *booleanDecoder) blank() bool { return d.valid.none }

func (d *booleanDecoder) read(rows []row, from int) {
	on := d.valid.block(from, len(rows)) & blockOf(d.values, from)
	for i := range rows {
		*d.at(&rows[i].Wait) = on.has(i)
	}
}
