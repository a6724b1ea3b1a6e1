package recording

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/netpolltrace/netpolltrace/wait"
)

// numbers is a column of numbers.
type numbers[T arrow.NumericType] struct {
	dataType arrow.DataType
	at       func(*wait.Wait) *T
	nullable bool
	null     T                      // stands for null in a row; only if known is nil
	known    func(*wait.Wait) *bool // whether the row has the number; may be nil
}

func (n numbers[T]) codec() codec {
	return codec{
		dataType:   n.dataType,
		nullable:   n.nullable,
		newEncoder: func() encoder { return &numberEncoder[T]{numbers: n} },
		newDecoder: func() decoder { return &numberDecoder[T]{numbers: n} },
	}
}

type numberEncoder[T arrow.NumericType] struct {
	numbers[T]
	values []T
	valid  bitmap
}

func (e *numberEncoder[T]) append(rows []row) {
	valid := maskOf(len(rows))
	for i := range rows {
		e.values = append(e.values, *e.at(&rows[i].Wait))
	}
	if e.nullable {
		valid = e.validOf(rows, e.values[len(e.values)-len(rows):])
	}
	e.valid.append(valid)
}

// validOf is which of the rows have a number.
func (e *numberEncoder[T]) validOf(rows []row, values []T) (valid mask) {
	if e.known != nil {
		for i := range rows {
			valid = valid.with(i, *e.known(&rows[i].Wait))
		}
		return valid
	}
	for i, v := range values {
		valid = valid.with(i, v != e.null)
	}
	return valid
}

func (e *numberEncoder[T]) full() bool { return false }

func (e *numberEncoder[T]) array() arrow.Array {
	return array.MakeFromData(arrayOf(e.dataType, len(e.values), &e.valid, arrow.GetBytes(e.values)))
}

func (e *numberEncoder[T]) clear() {
	e.values = e.values[:0]
	e.valid.clear()
}

type numberDecoder[T arrow.NumericType] struct {
	numbers[T]
	values []T
	valid  validity
}

func (d *numberDecoder[T]) load(a arrow.Array) error {
	if !arrow.TypeEqual(a.DataType(), d.dataType) {
		return fmt.Errorf("column of %s, want %s", a.DataType(), d.dataType)
	}
	d.values = arrow.GetValues[T](a.Data(), 1)
	if len(d.values) < a.Len() {
		return errShortColumn
	}
	return d.valid.load(a)
}

func (d *numberDecoder[T]) read(rows []row, from int) {
	valid := d.valid.block(from, len(rows))
	values := d.values[from : from+len(rows)]
	for i, v := range values {
		if !valid.has(i) {
			v = d.null
		}
		*d.at(&rows[i].Wait) = v
	}
	if d.known != nil {
		for i := range rows {
			*d.known(&rows[i].Wait) = valid.has(i)
		}
	}
}
