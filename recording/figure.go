package recording

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// figures is a column of numbers.
type figures[T arrow.NumericType] struct {
	dataType arrow.DataType
	field    func(*row) *T
	nullable bool
	null     T                // stands for null in a row; only if present is nil
	present  func(*row) *bool // whether the row has the number; may be nil
}

// figure is a column of numbers that is never null.
func figure[T arrow.NumericType](dataType arrow.DataType, field func(*row) *T) codec {
	return figures[T]{dataType: dataType, field: field}.codec()
}

// figureOr is a column of numbers in which one number stands for null.
func figureOr[T arrow.NumericType](null T, dataType arrow.DataType, field func(*row) *T) codec {
	return figures[T]{dataType: dataType, field: field, nullable: true, null: null}.codec()
}

// figureIf is a column of numbers for which another field of the row tells
// whether it is null.
func figureIf[T arrow.NumericType](present func(*row) *bool, dataType arrow.DataType, field func(*row) *T) codec {
	return figures[T]{dataType: dataType, field: field, nullable: true, present: present}.codec()
}

func (f figures[T]) codec() codec {
	return codec{
		dataType:   f.dataType,
		nullable:   f.nullable,
		newEncoder: func() encoder { return &figureEncoder[T]{figures: f} },
		newDecoder: func() decoder { return &figureDecoder[T]{figures: f} },
	}
}

type figureEncoder[T arrow.NumericType] struct {
	figures[T]
	values []T
	valid  bitmap
}

func (e *figureEncoder[T]) append(rows []row) {
	valid := maskOf(len(rows))
	for i := range rows {
		e.values = append(e.values, *e.field(&rows[i]))
	}
	if e.nullable {
		valid = e.validOf(rows, e.values[len(e.values)-len(rows):])
	}
	e.valid.append(valid)
}

// validOf is which of the rows have a number.
func (e *figureEncoder[T]) validOf(rows []row, values []T) (valid mask) {
	if e.present != nil {
		for i := range rows {
			valid = valid.with(i, *e.present(&rows[i]))
		}
		return valid
	}
	for i, v := range values {
		valid = valid.with(i, v != e.null)
	}
	return valid
}

func (e *figureEncoder[T]) full() bool { return false }

func (e *figureEncoder[T]) array() arrow.Array {
	return array.MakeFromData(arrayOf(e.dataType, len(e.values), &e.valid, arrow.GetBytes(e.values)))
}

func (e *figureEncoder[T]) clear() {
	e.values = e.values[:0]
	e.valid.clear()
}

type figureDecoder[T arrow.NumericType] struct {
	figures[T]
	values []T
	valid  validity
}

func (d *figureDecoder[T]) load(a arrow.Array) error {
	if !arrow.TypeEqual(a.DataType(), d.dataType) {
		return fmt.Errorf("column of %s, want %s", a.DataType(), d.dataType)
	}
	d.values = arrow.GetValues[T](a.Data(), 1)
	if len(d.values) < a.Len() {
		return errShortColumn
	}
	return d.valid.load(a)
}

func (d *figureDecoder[T]) read(rows []row, from int) {
	valid := d.valid.block(from, len(rows))
	values := d.values[from : from+len(rows)]
	for i, v := range values {
		if !valid.has(i) {
			v = d.null
		}
		*d.field(&rows[i]) = v
	}
	if d.present != nil {
		for i := range rows {
			*d.present(&rows[i]) = valid.has(i)
		}
	}
}
