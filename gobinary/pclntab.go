package gobinary

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"sort"
	"strings"
)

// pclntab is the table in which the runtime looks up functions, files and
// lines. It is in every Go program, stripped or not, in the layout of Go 1.18
// and newer: runtime/symtab.go (pcHeader, functab, _func), cmd/link/internal/ld/pcln.go.
//
// It is read in place, and nothing in it is trusted: an offset that leads
// outside a table reads as "not there".
type pclntab struct {
	funcs   int    // number of functions
	ftab    []byte // pairs of uint32: entry minus textStart, offset in funcdata
	records []byte // _func records; starts with ftab
	names   []byte
	cus     []byte // per compilation unit, offsets in files
	files   []byte
	pcvalue []byte
	quantum uint64 // the smallest step of a program counter

	text    uint64 // what entries are relative to
	gofunc  []byte // what funcdata offsets are relative to: inline trees
	legacy  bool   // Go 1.18 and 1.19: other _func and inlinedCall records
	addr    uint64 // of the header
	addrTab uint64 // of ftab
}

// The magic numbers of the layouts that are read here: of Go 1.18 and 1.20.
// See internal/abi/symtab.go (PCLnTabMagic).
const (
	magic118 = 0xfffffff0
	magic120 = 0xfffffff1
)

// pcHeaderSize is the size of runtime.pcHeader on 64-bit systems.
const pcHeaderSize = 8 + 8*8

var errNoPCLNTab = errors.New("no pclntab in a known layout; if the executable is packed, unpack it, if not, use a newer netpolltrace")

// findPCLNTab finds the table by its section, or by its first bytes where the
// linker merged the sections (external linking of PIE up to Go 1.25).
func findPCLNTab(img *image) (*pclntab, error) {
	if addr, ok := img.sections["gopclntab"]; ok {
		if t, ok := newPCLNTab(addr, img.from(addr)); ok {
			return t, nil
		}
	}
	for _, magic := range [...]uint32{magic120, magic118} {
		pattern := binary.LittleEndian.AppendUint32(nil, magic)
		pattern = append(pattern, 0, 0) // pad1, pad2
		for _, s := range img.segments {
			if t, ok := scanPCLNTab(s.addr, img.data[s.offset:s.offset+s.size], pattern); ok {
				return t, nil
			}
		}
	}
	return nil, errNoPCLNTab
}

// scanPCLNTab looks for a header in one segment.
func scanPCLNTab(addr uint64, b, pattern []byte) (*pclntab, bool) {
	for at := 0; ; at++ {
		i := bytes.Index(b[at:], pattern)
		if i < 0 {
			return nil, false
		}
		at += i
		if t, ok := newPCLNTab(addr+uint64(at), b[at:]); ok {
			return t, true
		}
	}
}

// newPCLNTab reads the header at the start of b, which goes to the end of the
// segment. It reports false where that is no header.
func newPCLNTab(addr uint64, b []byte) (*pclntab, bool) {
	if len(b) < pcHeaderSize {
		return nil, false
	}
	magic, quantum, ptrSize := binary.LittleEndian.Uint32(b), b[6], b[7]
	if magic != magic118 && magic != magic120 || quantum != 1 && quantum != 4 || ptrSize != 8 {
		return nil, false
	}
	word := func(i int) uint64 { return binary.LittleEndian.Uint64(b[8+8*i:]) }
	funcs := word(0)
	// word(1) is the number of files, word(2) the start of the text, which is 0
	// from Go 1.26 on; the offsets of the five tables follow, in this order.
	offsets := [...]uint64{word(3), word(4), word(5), word(6), word(7), uint64(len(b))}
	for i := range offsets[1:] {
		if offsets[i] > offsets[i+1] {
			return nil, false
		}
	}
	table := func(i int) []byte { return b[offsets[i]:offsets[i+1]] }
	records := table(4)
	if funcs == 0 || funcs >= uint64(len(records))/8 {
		return nil, false
	}
	return &pclntab{
		funcs:   int(funcs),
		ftab:    records[:funcs*8+4],
		records: records,
		names:   table(0),
		cus:     table(1),
		files:   table(2),
		pcvalue: table(3),
		quantum: uint64(quantum),
		legacy:  magic == magic118,
		addr:    addr,
		addrTab: addr + offsets[4],
	}, true
}

// entry is where the i-th function starts; for i = funcs where the last one ends.
func (t *pclntab) entry(i int) uint64 {
	return t.text + uint64(binary.LittleEndian.Uint32(t.ftab[i*8:]))
}

// record is the i-th function's _func, up to the end of the table.
func (t *pclntab) record(i int) funcRecord {
	offset := binary.LittleEndian.Uint32(t.ftab[i*8+4:])
	r := funcRecord{entry: t.entry(i), end: t.entry(i + 1), fixed: 44}
	if t.legacy {
		r.fixed = 40
	}
	if uint64(offset)+r.fixed <= uint64(len(t.records)) {
		r.b = t.records[offset:]
	}
	return r
}

// function describes the i-th function.
func (t *pclntab) function(i int) Func {
	r := t.record(i)
	return Func{Name: printName(t.name(r.nameOffset())), Entry: r.entry, End: r.end}
}

// index finds the function that holds an address.
func (t *pclntab) index(pc uint64) (int, bool) {
	if pc < t.entry(0) || pc >= t.entry(t.funcs) {
		return 0, false
	}
	return sort.Search(t.funcs, func(i int) bool { return t.entry(i+1) > pc }), true
}

// find looks functions up by name, in one pass over the table. The first of
// several functions with one name is taken.
func (t *pclntab) find(wanted func(name []byte) bool) map[string]int {
	found := make(map[string]int)
	for i := range t.funcs {
		name := t.name(t.record(i).nameOffset())
		if !wanted(name) {
			continue
		}
		if _, again := found[string(name)]; !again {
			found[string(name)] = i
		}
	}
	return found
}

func (t *pclntab) name(offset uint32) []byte { return cstring(t.names, uint64(offset)) }

// file is the i-th file of a compilation unit.
func (t *pclntab) file(cu uint32, i int32) string {
	at := 4 * (uint64(cu) + uint64(uint32(i)))
	if i < 0 || at+4 > uint64(len(t.cus)) {
		return ""
	}
	return string(cstring(t.files, uint64(binary.LittleEndian.Uint32(t.cus[at:]))))
}

// value looks pc up in one of a function's tables; -1 where it has none.
func (t *pclntab) value(table uint32, r funcRecord, pc uint64) int32 {
	for end, value := range t.ranges(table, r) {
		if pc < end {
			return value
		}
	}
	return -1
}

// ranges reads one of a function's tables, which map ranges of program counters
// to numbers: each number with the end of its range, in the order of addresses.
// See runtime/symtab.go (pcvalue, step).
func (t *pclntab) ranges(table uint32, r funcRecord) iter.Seq2[uint64, int32] {
	return func(yield func(uint64, int32) bool) {
		if table == 0 || uint64(table) >= uint64(len(t.pcvalue)) {
			return
		}
		b := t.pcvalue[table:]
		value, end := int32(-1), r.entry
		for end < r.end {
			delta, n := binary.Uvarint(b)
			if n <= 0 || delta == 0 && end != r.entry {
				return
			}
			step, m := binary.Uvarint(b[n:])
			if m <= 0 {
				return
			}
			b = b[n+m:]
			value += int32(uint32(delta)>>1) ^ -int32(delta&1)
			end += step * t.quantum
			if !yield(end, value) {
				return
			}
		}
	}
}

// funcRecord is one function's runtime._func. Its fixed part is 44 bytes long:
//
//	entryOff nameOff args deferreturn pcsp pcfile pcln npcdata cuOffset
//	startLine (4 bytes each) funcID flag _ nfuncdata (1 byte each)
//
// startLine is not in Go 1.18 and 1.19. Then npcdata offsets of tables of
// values follow, and nfuncdata offsets from moduledata.gofunc.
type funcRecord struct {
	b          []byte // nil where the table is damaged
	entry, end uint64
	fixed      uint64
}

func (r funcRecord) word(i uint64) uint32 {
	if (i+1)*4 > uint64(len(r.b)) {
		return 0
	}
	return binary.LittleEndian.Uint32(r.b[i*4:])
}

func (r funcRecord) nameOffset() uint32 { return r.word(1) }
func (r funcRecord) pcfile() uint32     { return r.word(5) }
func (r funcRecord) pcln() uint32       { return r.word(6) }
func (r funcRecord) cu() uint32         { return r.word(8) }

// pcdata is the offset of a table of values; 0 for none.
func (r funcRecord) pcdata(i uint64) uint32 {
	if i >= uint64(r.word(7)) {
		return 0
	}
	return r.word(r.fixed/4 + i)
}

// funcdata is an offset from moduledata.gofunc; noFuncdata for none.
func (r funcRecord) funcdata(i uint64) uint32 {
	if r.b == nil || i >= uint64(r.b[r.fixed-1]) {
		return noFuncdata
	}
	at := r.fixed/4 + uint64(r.word(7)) + i
	if (at+1)*4 > uint64(len(r.b)) {
		return noFuncdata
	}
	return r.word(at)
}

const noFuncdata = ^uint32(0)

// printName shortens the type arguments of a generic function as the runtime
// does when it prints a stack (runtime/symtab.go, funcNameForPrint).
func printName(raw []byte) string {
	name := string(raw)
	open, end := strings.IndexByte(name, '['), strings.LastIndexByte(name, ']')
	if open < 0 || end <= open {
		return name
	}
	return name[:open] + "[...]" + name[end+1:]
}

// describe says where the table was found, for errors.
func (t *pclntab) describe() string {
	return fmt.Sprintf("pclntab of %d functions at %#x", t.funcs, t.addr)
}
