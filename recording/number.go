package recording

import (
	"fmt"
	"slices"

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
		newDecoder: func(*textAccount) decoder { return &numberDecoder[T]{numbers: n} },
	}
}

type numberEncoder[T arrow.NumericType] struct {
	numbers[T]
	values []T
	valid  bitmap
}

func (e *numberEncoder[T]) append(rows []row, _ mask) {
	first := len(e.values)
	e.values = slices.Grow(e.values, len(rows))[:first+len(rows)]
	values := e.values[first:]
	for i := range values {
		values[i] = *e.at(&rows[i].Wait)
	}
	e.valid.append(e.validOf(rows, values))
}

// validOf is which of the rows have a number.
func (e *numberEncoder[T]) validOf(rows []row, values []T) (valid mask) {
	switch {
	case !e.nullable:
		return maskOf(len(rows))
	case e.known != nil:
		for i := range rows {
			valid = valid.with(i, *e.known(&rows[i].Wait))
		}
	default:
		for i, v := range values {
			valid = valid.with(i, v != e.null)
		}
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
	values    []T
	valid     validity
	converted []T // the memory of values that another tool wrote in another type
}

func (d *numberDecoder[T]) load(a arrow.Array) error {
	if err := d.valid.load(a); err != nil {
		return err
	}
	if !sameNumbers(a.DataType(), d.dataType) {
		return d.convert(a)
	}
	d.values = arrow.GetValues[T](a.Data(), 1)
	if len(d.values) < a.Len() {
		return errShortColumn
	}
	return nil
}

// sameNumbers tells whether the numbers of a type mean the same as those of
// another: time zones do not matter, since Arrow's moments are UTC.
func sameNumbers(a, b arrow.DataType) bool {
	if moment, ok := a.(*arrow.TimestampType); ok {
		other, ok := b.(*arrow.TimestampType)
		return ok && moment.Unit == other.Unit
	}
	return arrow.TypeEqual(a, b)
}

// convert takes a column that another tool wrote in another type.
func (d *numberDecoder[T]) convert(a arrow.Array) error {
	d.converted = d.converted[:0]
	var err error
	switch a.DataType().ID() {
	case arrow.INT8:
		err = convert[int8](d, a)
	case arrow.INT16:
		err = convert[int16](d, a)
	case arrow.INT32:
		err = convert[int32](d, a)
	case arrow.INT64:
		err = convert[int64](d, a)
	case arrow.UINT8:
		err = convert[uint8](d, a)
	case arrow.UINT16:
		err = convert[uint16](d, a)
	case arrow.UINT32:
		err = convert[uint32](d, a)
	case arrow.UINT64:
		err = convert[uint64](d, a)
	case arrow.FLOAT64: // what pandas makes of integers with nulls
		err = convert[float64](d, a)
	default:
		err = fmt.Errorf("column of %s, want %s", a.DataType(), d.dataType)
	}
	d.values = d.converted
	return err
}

// convert takes values of type F, each of which has to be a T.
func convert[F, T arrow.NumericType](d *numberDecoder[T], a arrow.Array) error {
	values := arrow.GetValues[F](a.Data(), 1)
	if len(values) < a.Len() {
		return errShortColumn
	}
	for from := 0; from < len(values); from += blockRows {
		block := values[from:min(from+blockRows, len(values))]
		valid := d.valid.block(from, len(block))
		for i, value := range block {
			if !valid.has(i) {
				value = 0
			}
			converted := T(value)
			if F(converted) != value || (converted < 0) != (value < 0) {
				return fmt.Errorf("%v of %s is no %s", value, a.DataType(), d.dataType)
			}
			d.converted = append(d.converted, converted)
		}
	}
	return nil
}

func (d *numberDecoder[T]) blank() bool { return d.valid.none && d.nullable }

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
