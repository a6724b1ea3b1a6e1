package recording

import (
	"fmt"
	"math"
	"strings"
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

func (s scope) holds(r *row) bool {
	return s == everyRow || (s == eventRows) == r.isEvent
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
		newDecoder: func() decoder { return &textDecoder{place: at, words: []string{""}} },
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

func (e *textEncoder[I]) append(rows []row) {
	var valid mask
	for i := range rows {
		r := &rows[i]
		var index int
		if e.scope.holds(r) {
			index = e.dictionary.indexOf(*e.at(r))
			valid |= 1 << i
		}
		e.indices = append(e.indices, I(index))
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

// textDecoder hands out one string for each text of a dictionary.
type textDecoder struct {
	place
	words   []string        // the text for null, which is empty, then the dictionary
	source  arrow.ArrayData // the dictionary that words was made from
	indices []uint16        // into words, one for each row
	valid   validity
}

func (d *textDecoder) load(a arrow.Array) error {
	column, ok := a.(*array.Dictionary)
	if !ok || column.Dictionary().DataType().ID() != arrow.STRING {
		return fmt.Errorf("column of %s, want a dictionary of texts", a.DataType())
	}
	if err := d.loadWords(column.Dictionary().(*array.String)); err != nil {
		return err
	}
	if err := d.valid.load(a); err != nil {
		return err
	}
	switch indices := column.Indices().(type) {
	case *array.Int8:
		return loadIndices(d, indices.Int8Values())
	case *array.Int16:
		return loadIndices(d, indices.Int16Values())
	default:
		return fmt.Errorf("dictionary index of %s, want int8 or int16", indices.DataType())
	}
}

// loadIndices checks the indices of a batch and moves them up by one, so that
// null has an index too.
func loadIndices[I textIndex](d *textDecoder, indices []I) error {
	d.indices = d.indices[:0]
	for from := 0; from < len(indices); from += blockRows {
		block := indices[from:min(from+blockRows, len(indices))]
		valid := d.valid.block(from, len(block))
		for i, index := range block {
			if !valid.has(i) {
				index = -1
			} else if index < 0 || int(index) >= len(d.words)-1 {
				return fmt.Errorf("index %d into a dictionary of %d texts", index, len(d.words)-1)
			}
			d.indices = append(d.indices, uint16(index+1))
		}
	}
	return nil
}

// loadWords brings words up to the dictionary. What was there stays the same
// string, so that a text is one string as long as its dictionary grows.
func (d *textDecoder) loadWords(dictionary *array.String) error {
	if d.source == dictionary.Data() {
		return nil
	}
	if dictionary.Len() > math.MaxInt16 {
		return fmt.Errorf("dictionary of %d texts, which is more than its index can tell apart", dictionary.Len())
	}
	if !d.extendedBy(dictionary) {
		d.words = []string{""}
	}
	var added strings.Builder // one allocation for all
	for i := len(d.words) - 1; i < dictionary.Len(); i++ {
		added.WriteString(dictionary.Value(i))
	}
	all := added.String()
	for i := len(d.words) - 1; i < dictionary.Len(); i++ {
		n := dictionary.ValueLen(i)
		d.words = append(d.words, all[:n])
		all = all[n:]
	}
	d.source = dictionary.Data()
	return nil
}

// extendedBy tells whether the dictionary begins with the known texts.
func (d *textDecoder) extendedBy(dictionary *array.String) bool {
	known := d.words[1:]
	if len(known) > dictionary.Len() {
		return false
	}
	for i, word := range known {
		if word != dictionary.Value(i) {
			return false
		}
	}
	return true
}

func (d *textDecoder) read(rows []row, from int) {
	for i, index := range d.indices[from : from+len(rows)] {
		*d.at(&rows[i]) = d.words[index]
	}
}
