package recording

import (
	"strings"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// The longest text of a column, in bytes; longer texts are cut. A target
// decides what its functions, files and sockets are called.
const (
	maxWord       = 256 // an address of a Unix socket has at most 108
	maxLine       = 4 << 10
	maxList       = 64 << 10
	maxAttributes = 64 << 10 // more than encodeDetail makes
)

// maxDictionaryText is how many bytes of text a dictionary may hold before a
// new one is begun; so much more that one block may add is the most.
const maxDictionaryText = 4 << 20

// dictionary is the distinct texts of a column. It only grows, until it is
// reset.
type dictionary struct {
	maxTexts, maxLen int

	index   map[string]int
	last    recentText // most texts come in runs
	recent  [recentSlots]recentText
	offsets []int32 // where each text begins in bytes, and where the last ends
	bytes   []byte
	arr     arrow.Array // of all texts; nil when there are newer ones
}

func newDictionary(maxTexts, maxLen int) *dictionary {
	d := &dictionary{maxTexts: maxTexts, maxLen: maxLen}
	d.reset()
	return d
}

// reset begins a new dictionary. The slices are not used again, since the
// array of the old dictionary has them.
func (d *dictionary) reset() {
	d.index = make(map[string]int)
	d.last, d.recent = recentText{}, [recentSlots]recentText{}
	d.offsets, d.bytes, d.arr = []int32{0}, nil, nil
}

// full tells that the texts of another block may not fit.
func (d *dictionary) full() bool {
	return len(d.index)+blockRows > d.maxTexts || len(d.bytes) >= maxDictionaryText
}

// indexOf is the index of a text, which is added when it is new.
func (d *dictionary) indexOf(text string) int {
	if !d.last.holds(text) {
		d.last = recentText{data: unsafe.StringData(text), length: len(text), next: d.lookUp(text) + 1}
	}
	return d.last.next - 1
}

func (d *dictionary) lookUp(text string) int {
	recent := &d.recent[slotOf(text)]
	if recent.holds(text) {
		return recent.next - 1
	}
	i, ok := d.index[text]
	if !ok {
		i = d.add(text)
	}
	*recent = recentText{data: unsafe.StringData(text), length: len(text), next: i + 1}
	return i
}

// add is the index of a text that is not in the dictionary as it stands.
func (d *dictionary) add(text string) int {
	text = storable(text, d.maxLen)
	if i, ok := d.index[text]; ok {
		return i
	}
	i := len(d.index)
	d.index[text] = i
	d.bytes = append(d.bytes, text...)
	d.offsets = append(d.offsets, int32(len(d.bytes)))
	d.arr = nil
	return i
}

// storable is the text as a file can hold it: valid UTF-8, as Arrow demands of
// strings, and not much longer than most bytes.
func storable(text string, most int) string {
	if len(text) > most {
		text = text[:most]
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}

// array is the texts in the order of their indices. The array of an earlier
// call, if there was no reset, is a prefix of it and shares its memory.
func (d *dictionary) array() arrow.Array {
	if d.arr == nil {
		buffers := []*memory.Buffer{
			nil,
			memory.NewBufferBytes(arrow.GetBytes(d.offsets)),
			memory.NewBufferBytes(d.bytes),
		}
		d.arr = array.MakeFromData(array.NewData(arrow.BinaryTypes.String, len(d.index), buffers, nil, 0, 0))
	}
	return d.arr
}

// recentText remembers an index by the place of a text in memory. Sources share
// their strings, so that nearly every look-up ends here, at a fraction of the
// price of the map. The pointer keeps the text alive, so that no other text can
// come to its place.
type recentText struct {
	data   *byte
	length int
	next   int // the index plus one; 0 in an empty slot
}

func (r *recentText) holds(text string) bool {
	return r.next != 0 && r.data == unsafe.StringData(text) && r.length == len(text)
}

const (
	recentBits  = 10
	recentSlots = 1 << recentBits
)

// slotOf picks the slot of a cache for a text by its address, not its content:
// an equal text elsewhere may have another slot.
func slotOf(text string) uint64 {
	const golden = 0x9E3779B97F4A7C15 // 2^64 / φ spreads neighbouring addresses
	address := uint64(uintptr(unsafe.Pointer(unsafe.StringData(text))))
	return (address ^ uint64(len(text))) * golden >> (64 - recentBits)
}
