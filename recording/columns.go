package recording

import (
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/netpolltrace/netpolltrace/wait"
	"github.com/netpolltrace/netpolltrace/wait/column"
)

// fileColumn is all that this package knows about one column of a recording.
type fileColumn struct {
	name     string
	required bool // a file without it cannot be read
	codec
}

// columns lists the columns in the order of the file: those of waits, which
// package column knows, and those that only events have. What a file does not
// have is null.
func columns() []fileColumn {
	var list []fileColumn
	for _, c := range column.Table() {
		if codec, ok := codecOf(&c); ok {
			list = append(list, fileColumn{c.Stored(), c.Required, codec})
		}
	}
	return append(list,
		fileColumn{"event", false, eventText[int8](maxWord, func(e *eventRow) *string { return (*string)(&e.kind) })},
		fileColumn{"note", false, eventText[int16](maxLine, func(e *eventRow) *string { return &e.note })},
		fileColumn{"attributes", false, eventText[int16](maxAttributes, func(e *eventRow) *string { return &e.attributes })},
	)
}

// codecOf is how a column of waits is stored; false if it is not.
func codecOf(c *column.Column) (codec, bool) {
	switch v := c.Value.(type) {
	case column.Text:
		return textOf(v, c.NeverNull), true
	case column.Number[int32]:
		return numberOf(v, c.NeverNull, arrow.PrimitiveTypes.Int32), true
	case column.Number[uint32]:
		return numberOf(v, c.NeverNull, arrow.PrimitiveTypes.Uint32), true
	case column.Number[uint64]:
		return numberOf(v, c.NeverNull, arrow.PrimitiveTypes.Uint64), true
	case column.Duration:
		return numbers[time.Duration]{
			dataType: arrow.PrimitiveTypes.Int64, at: v.At, nullable: true, null: wait.Unmeasured,
		}.codec(), true
	case column.Moment:
		return numbers[int64]{dataType: moment(), at: v.At}.codec(), true
	case column.Flag:
		return boolean(v.At), true
	}
	return codec{}, false
}

func numberOf[T int32 | uint32 | uint64](n column.Number[T], neverNull bool, dataType arrow.DataType) codec {
	return numbers[T]{dataType: dataType, at: n.At, nullable: !neverNull, null: n.Null, known: n.Known}.codec()
}

// textOf is a column of texts. The words that this project chooses have short
// indices.
func textOf(t column.Text, neverNull bool) codec {
	scope := waitRows
	if neverNull {
		scope = everyRow
	}
	at := place{ofWait: t.At}
	switch t.Size {
	case column.Word:
		return texts[int8](at, scope, maxWord)
	case column.Name:
		return texts[int16](at, scope, maxWord)
	case column.Line:
		return texts[int16](at, scope, maxLine)
	default:
		return texts[int16](at, scope, maxList)
	}
}

// eventText is a column of texts that only events have.
func eventText[I textIndex](maxLen int, at func(*eventRow) *string) codec {
	return texts[I](place{ofEvent: at}, eventRows, maxLen)
}

// moment is the type of a point in time: nanoseconds since the Unix epoch.
func moment() arrow.DataType {
	return &arrow.TimestampType{Unit: arrow.Nanosecond, TimeZone: "UTC"}
}
