package gobinary

import (
	"bytes"
	"debug/dwarf"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"math"
)

// image is an executable as a process would see it before it runs: segments at
// their link-time addresses, with relative relocations applied on request. What
// the file's format knows is put in by [newELF] and [newMachO]; from there on
// formats make no difference.
type image struct {
	data     []byte // the file, usually mapped
	segments []segment
	sections map[string]uint64 // addresses of the loaded sections, without the dots or underscores before their names

	arch     *arch
	system   string // GOOS, as far as the format tells
	pie      bool
	stripped bool // without the symbols of Go's functions
	hasDWARF bool
	buildID  string // Go's

	// relocations calls visit for each relative relocation: the word at offset
	// is addend plus the load bias.
	relocations func(visit func(offset, addend uint64))
	// symbols calls visit for each symbol of a variable.
	symbols func(visit func(name []byte, addr uint64))
	dwarf   func() (*dwarf.Data, error)
}

// segment is a part of the file that is loaded.
type segment struct {
	addr     uint64
	offset   uint64 // in the file
	size     uint64 // in the file; what memory has more is zero
	writable bool
}

// newImage reads the headers of an executable. It allocates in proportion to
// them, not to the file.
func newImage(data []byte) (*image, error) {
	for _, format := range [...]struct {
		magic string
		read  func([]byte) (*image, error)
	}{
		{elf.ELFMAG, newELF},
		{"\xcf\xfa\xed\xfe", newMachO},
		{"\xce\xfa\xed\xfe", refuse("it has 32 bits; only 64-bit programs can be read")},
		{"\xca\xfe\xba\xbe", refuse("it is a universal file, for several architectures; extract one with lipo -thin arm64")},
		{"MZ", refuse("it is for Windows, where no tracer of netpolltrace runs")},
	} {
		if bytes.HasPrefix(data, []byte(format.magic)) {
			return format.read(data)
		}
	}
	return nil, fmt.Errorf("%w: it is not an ELF or Mach-O file; name the executable that runs, not a script that starts it", ErrNotGo)
}

// refuse is the reader of a format that cannot be read.
func refuse(why string) func([]byte) (*image, error) {
	return func([]byte) (*image, error) { return nil, fmt.Errorf("%w: %s", ErrUnsupported, why) }
}

// newSegment is a part of the file that is loaded at an address, cut to what the
// file has of it.
func newSegment(data []byte, addr, offset, size uint64, writable bool) (segment, bool) {
	if offset > uint64(len(data)) {
		return segment{}, false
	}
	size = min(size, uint64(len(data))-offset, math.MaxUint64-addr)
	return segment{addr: addr, offset: offset, size: size, writable: writable}, true
}

// segmentOf finds the segment that holds an address of the file's contents.
func (img *image) segmentOf(addr uint64) (segment, bool) {
	for _, s := range img.segments {
		if addr >= s.addr && addr-s.addr < s.size {
			return s, true
		}
	}
	return segment{}, false
}

// from is the bytes from an address to the end of its segment, or nil.
func (img *image) from(addr uint64) []byte {
	s, ok := img.segmentOf(addr)
	if !ok {
		return nil
	}
	return img.data[s.offset+addr-s.addr : s.offset+s.size]
}

// bytes is n bytes at an address, without relocations: for code and strings.
func (img *image) bytes(addr, n uint64) ([]byte, error) {
	b := img.from(addr)
	if uint64(len(b)) < n {
		return nil, fmt.Errorf("reading %d bytes at %#x: outside the executable's segments", n, addr)
	}
	return b[:n], nil
}

// relocated is a copy of n bytes at an address with the relative relocations of
// a position-independent executable applied, as if it were loaded at bias 0.
func (img *image) relocated(addr, n uint64) ([]byte, error) {
	b, err := img.bytes(addr, n)
	if err != nil {
		return nil, err
	}
	b = bytes.Clone(b)
	img.relocations(func(offset, addend uint64) {
		if at := offset - addr; at <= n-8 && n >= 8 {
			binary.LittleEndian.PutUint64(b[at:], addend)
		}
	})
	return b, nil
}

// pointersTo finds the words in writable data that hold an address, relocations
// applied.
func (img *image) pointersTo(addr uint64) []uint64 {
	var found []uint64
	img.relocations(func(offset, addend uint64) {
		if addend == addr {
			found = append(found, offset)
		}
	})
	pattern := binary.LittleEndian.AppendUint64(nil, addr)
	for _, s := range img.segments {
		if !s.writable {
			continue
		}
		b := img.data[s.offset : s.offset+s.size]
		for at := 0; ; at += 8 {
			i := bytes.Index(b[at:], pattern)
			if i < 0 {
				break
			}
			at += i
			found = append(found, s.addr+uint64(at))
		}
	}
	return found
}

// objects looks up variables in the symbol table.
func (img *image) objects(names map[string]uint64) {
	img.symbols(func(name []byte, addr uint64) {
		if _, wanted := names[string(name)]; wanted {
			names[string(name)] = addr
		}
	})
}

// cstring is the bytes from an offset up to a zero byte; nil where there is none.
func cstring(b []byte, offset uint64) []byte {
	if offset >= uint64(len(b)) {
		return nil
	}
	b = b[offset:]
	n := bytes.IndexByte(b, 0)
	if n < 0 {
		return nil
	}
	return b[:n]
}
