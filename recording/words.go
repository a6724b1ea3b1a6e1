package recording

import (
	"fmt"
	"math"
	"strings"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
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

// wordIndex is the type of the index into a dictionary: int8 where this project
// chooses the words, int16 where the target does.
type wordIndex interface{ int8 | int16 }

// texts is a column of texts, stored as indices into a dictionary.
type texts[I wordIndex, S ~string] struct {
	dataType *arrow.DictionaryType
	scope    scope
	maxLen   int
	field    func(*row) *S
}

// words is a column of texts of at most maxLen bytes. Its dictionary holds as
// many as the index can tell apart.
func words[I wordIndex, S ~string](scope scope, maxLen int, field func(*row) *S) codec {
	t := texts[I, S]{
		dataType: &arrow.DictionaryType{IndexType: arrow.GetDataType[I](), ValueType: arrow.BinaryTypes.String},
		scope:    scope,
		maxLen:   maxLen,
		field:    field,
	}
	return codec{
		dataType: t.dataType,
		nullable: scope != everyRow,
		newEncoder: func() encoder {
			return &textEncoder[I, S]{texts: t, dictionary: newDictionary(maxIndex[I](), maxLen)}
		},
		newDecoder: func() decoder { return &textDecoder[S]{field: field, words: []string{""}} },
	}
}

// maxIndex is the greatest index.
func maxIndex[I wordIndex]() int {
	var i I
	return math.MaxInt64 >> (64 - 8*unsafe.Sizeof(i))
}

type textEncoder[I wordIndex, S ~string] struct {
	texts[I, S]
	dictionary *dictionary
	indices    []I
	valid      bitmap
}

func (e *textEncoder[I, S]) append(rows []row) {
	var valid mask
	for i := range rows {
		r := &rows[i]
		var index int
		if e.scope.holds(r) {
			index = e.dictionary.indexOf(string(*e.field(r)))
			valid |= 1 << i
		}
		e.indices = append(e.indices, I(index))
	}
	e.valid.append(valid)
}

func (e *textEncoder[I, S]) full() bool { return e.dictionary.full() }

func (e *textEncoder[I, S]) array() arrow.Array {
	data := arrayOf(e.dataType.IndexType, len(e.indices), &e.valid, arrow.GetBytes(e.indices))
	return array.NewDictionaryArray(e.dataType, array.MakeFromData(data), e.dictionary.array())
}

func (e *textEncoder[I, S]) clear() {
	e.indices = e.indices[:0]
	e.valid.clear()
	if e.dictionary.full() {
		e.dictionary.reset()
	}
}

// textDecoder hands out one string for each text of a dictionary.
type textDecoder[S ~string] struct {
	field   func(*row) *S
	words   []string        // the text for null, which is empty, then the dictionary
	source  arrow.ArrayData // the dictionary that words was made from
	indices []uint16        // into words, one for each row
	valid   validity
}

func (d *textDecoder[S]) load(a arrow.Array) error {
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
func loadIndices[I wordIndex, S ~string](d *textDecoder[S], indices []I) error {
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
func (d *textDecoder[S]) loadWords(dictionary *array.String) error {
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
func (d *textDecoder[S]) extendedBy(dictionary *array.String) bool {
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

func (d *textDecoder[S]) read(rows []row, from int) {
	for i, index := range d.indices[from : from+len(rows)] {
		*d.field(&rows[i]) = S(d.words[index])
	}
}
