package recording

import (
	"errors"
	"fmt"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// textAccount bounds the bytes of text that the columns of a file hold together
// besides Arrow's memory. Texts of a hostile file can overlap, so that they are
// many times its size.
type textAccount struct {
	used, most int64
}

var errTextTooLarge = errors.New("its texts are larger than a recording's can be")

// sizeOfString is what a string takes besides its text.
const sizeOfString = 16

// add takes room for a text.
func (a *textAccount) add(length int) error {
	if length < 0 || int64(length) > a.most-a.used-sizeOfString {
		return errTextTooLarge
	}
	a.used += int64(length) + sizeOfString
	return nil
}

// remove gives back the room of texts with so many bytes together.
func (a *textAccount) remove(texts, length int) {
	a.used -= int64(length) + int64(texts)*sizeOfString
}

// textDecoder hands out one string for each text of a dictionary. It also takes
// what other tools make of a column: dictionaries with other indices, and texts
// without a dictionary.
type textDecoder struct {
	place
	account *textAccount
	words   []string         // the text for null, which is empty, then the dictionary
	size    int              // bytes of words
	source  arrow.ArrayData  // the dictionary that words was made from; nil for texts without one
	known   map[string]int32 // the indices of words, for texts without a dictionary
	indices []int32          // into words, one for each row
	valid   validity
}

func newTextDecoder(at place, account *textAccount) *textDecoder {
	return &textDecoder{place: at, account: account, words: []string{""}}
}

func (d *textDecoder) load(a arrow.Array) error {
	if err := d.valid.load(a); err != nil {
		return err
	}
	d.indices = d.indices[:0]
	if texts, ok := a.(array.StringLike); ok {
		return d.loadTexts(texts)
	}
	column, ok := a.(*array.Dictionary)
	if !ok {
		return fmt.Errorf("column of %s, want texts", a.DataType())
	}
	dictionary, ok := column.Dictionary().(array.StringLike)
	if !ok {
		return fmt.Errorf("column of %s, want a dictionary of texts", a.DataType())
	}
	if err := d.loadWords(dictionary); err != nil {
		return err
	}
	return d.loadIndices(column.Indices())
}

func (d *textDecoder) loadIndices(indices arrow.Array) error {
	switch indices := indices.(type) {
	case *array.Int8:
		return loadIndices(d, indices.Int8Values())
	case *array.Int16:
		return loadIndices(d, indices.Int16Values())
	case *array.Int32:
		return loadIndices(d, indices.Int32Values())
	case *array.Int64:
		return loadIndices(d, indices.Int64Values())
	case *array.Uint8:
		return loadIndices(d, indices.Uint8Values())
	case *array.Uint16:
		return loadIndices(d, indices.Uint16Values())
	case *array.Uint32:
		return loadIndices(d, indices.Uint32Values())
	case *array.Uint64:
		return loadIndices(d, indices.Uint64Values())
	default:
		return fmt.Errorf("dictionary index of %s, want integers", indices.DataType())
	}
}

// loadIndices checks the indices of a batch and moves them up by one, so that
// null has an index too.
func loadIndices[I arrow.IntType | arrow.UintType](d *textDecoder, indices []I) error {
	for from := 0; from < len(indices); from += blockRows {
		block := indices[from:min(from+blockRows, len(indices))]
		valid := d.valid.block(from, len(block))
		for i, index := range block {
			next := int32(0) // null
			if valid.has(i) {
				if index < 0 || uint64(index) >= uint64(len(d.words)-1) {
					return fmt.Errorf("index %d into a dictionary of %d texts", index, len(d.words)-1)
				}
				next = int32(index) + 1
			}
			d.indices = append(d.indices, next)
		}
	}
	return nil
}

// loadWords brings words up to the dictionary. What was there stays the same
// string, so that a text is one string as long as its dictionary grows.
func (d *textDecoder) loadWords(dictionary array.StringLike) error {
	if d.source == dictionary.Data() {
		return nil
	}
	if !d.extendedBy(dictionary) {
		d.forget()
	}
	first := len(d.words) - 1
	size := 0
	for i := first; i < dictionary.Len(); i++ {
		size += dictionary.ValueLen(i)
		if err := d.account.add(dictionary.ValueLen(i)); err != nil {
			return err
		}
	}
	d.size += size
	var added strings.Builder // one allocation for all
	added.Grow(size)
	for i := first; i < dictionary.Len(); i++ {
		added.WriteString(dictionary.Value(i))
	}
	all := added.String()
	for i := first; i < dictionary.Len(); i++ {
		n := dictionary.ValueLen(i)
		d.words = append(d.words, all[:n])
		all = all[n:]
	}
	d.source = dictionary.Data()
	return nil
}

// extendedBy tells whether the dictionary begins with the known texts.
func (d *textDecoder) extendedBy(dictionary array.StringLike) bool {
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

// forget drops the known texts.
func (d *textDecoder) forget() {
	d.account.remove(len(d.words)-1, d.size)
	d.words, d.size, d.source, d.known = []string{""}, 0, nil, nil
}

// loadTexts makes a dictionary of texts that have none. It grows from batch to
// batch, as one of ours does.
func (d *textDecoder) loadTexts(texts array.StringLike) error {
	if d.size >= maxDictionaryText || d.known == nil {
		d.forget()
		d.known = make(map[string]int32)
	}
	for from := 0; from < texts.Len(); from += blockRows {
		n := min(blockRows, texts.Len()-from)
		valid := d.valid.block(from, n)
		for i := range n {
			index := int32(0) // null
			if valid.has(i) {
				var err error
				if index, err = d.indexOf(texts.Value(from + i)); err != nil {
					return err
				}
			}
			d.indices = append(d.indices, index)
		}
	}
	return nil
}

// indexOf is the index of a text, which is added when it is new. The text is
// Arrow's and does not last.
func (d *textDecoder) indexOf(text string) (int32, error) {
	if index, ok := d.known[text]; ok {
		return index, nil
	}
	if err := d.account.add(len(text)); err != nil {
		return 0, err
	}
	text = strings.Clone(text)
	d.size += len(text)
	index := int32(len(d.words))
	d.words = append(d.words, text)
	d.known[text] = index
	return index, nil
}

func (d *textDecoder) blank() bool {
	return d.valid.none || len(d.words) == 2 && d.words[1] == ""
}

func (d *textDecoder) read(rows []row, from int) {
	for i, index := range d.indices[from : from+len(rows)] {
		*d.at(&rows[i]) = d.words[index]
	}
}
