package recording

import (
	"math"
	"slices"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/netpolltrace/netpolltrace/wait"
)

// scope is in which rows a column of texts has a value; it is null in others.
type scope uint8

const (
	everyRow scope = iota
	waitRows
	eventRows
)

// of is in which rows of a block, of which some are events, the column has a
// value.
func (s scope) of(rows int, events mask) mask {
	switch s {
	case waitRows:
		return maskOf(rows) &^ events
	case eventRows:
		return events
	}
	return maskOf(rows)
}

// textIndex is the type of the index into a dictionary: int8 where this project
// chooses the words, int16 where the target does.
type textIndex interface{ int8 | int16 }

// place is where a row has a text: in its wait, or in what only events have.
type place struct {
	ofWait  func(*wait.Wait) *string
	ofEvent func(*eventRow) *string
}

func (p *place) at(r *row) *string {
	if p.ofWait != nil {
		return p.ofWait(&r.Wait)
	}
	return p.ofEvent(&r.event)
}

// texts is a column of texts of at most maxLen bytes, stored as indices into a
// dictionary. The dictionary holds as many as the index can tell apart.
func texts[I textIndex](at place, scope scope, maxLen int) codec {
	dataType := &arrow.DictionaryType{IndexType: arrow.GetDataType[I](), ValueType: arrow.BinaryTypes.String}
	return codec{
		dataType: dataType,
		nullable: scope != everyRow,
		newEncoder: func() encoder {
			return &textEncoder[I]{place: at, dataType: dataType, scope: scope, dictionary: newDictionary(maxIndex[I](), maxLen)}
		},
		newDecoder: func(account *textAccount) decoder { return newTextDecoder(at, account) },
	}
}

// maxIndex is the greatest index.
func maxIndex[I textIndex]() int {
	var i I
	return math.MaxInt64 >> (64 - 8*unsafe.Sizeof(i))
}

type textEncoder[I textIndex] struct {
	place
	dataType   *arrow.DictionaryType
	scope      scope
	dictionary *dictionary
	indices    []I
	valid      bitmap
}

func (e *textEncoder[I]) append(rows []row, events mask) {
	valid := e.scope.of(len(rows), events)
	first := len(e.indices)
	e.indices = slices.Grow(e.indices, len(rows))[:first+len(rows)]
	indices := e.indices[first:]
	clear(indices)
	for i := range indices {
		if valid.has(i) {
			indices[i] = I(e.dictionary.indexOf(*e.at(&rows[i])))
		}
	}
	e.valid.append(valid)
}

func (e *textEncoder[I]) full() bool { return e.dictionary.full() }

func (e *textEncoder[I]) array() arrow.Array {
	data := arrayOf(e.dataType.IndexType, len(e.indices), &e.valid, arrow.GetBytes(e.indices))
	return array.NewDictionaryArray(e.dataType, array.MakeFromData(data), e.dictionary.array())
}

func (e *textEncoder[I]) clear() {
	e.indices = e.indices[:0]
	e.valid.clear()
	if e.dictionary.full() {
		e.dictionary.reset()
	}
}
