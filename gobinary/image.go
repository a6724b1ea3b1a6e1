package gobinary

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"math"
)

// image is an executable as a process would see it before it runs: segments at
// their link-time addresses, with relative relocations applied on request.
type image struct {
	data     []byte // the file, usually mapped
	elf      *elf.File
	segments []segment
	relas    [][]byte // the tables of dynamic relocations, as in the file
	relative uint32   // the type of relocation that adds the load bias to an address
}

// segment is a part of the file that is loaded.
type segment struct {
	addr     uint64
	offset   uint64 // in the file
	size     uint64 // in the file; what memory has more is zero
	writable bool
}

// relaSize is the size of an Elf64_Rela: offset, info, addend.
const relaSize = 24

// newImage reads the headers of an ELF file. It allocates in proportion to the
// headers, not to the file.
func newImage(data []byte) (*image, error) {
	f, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	if f.Class != elf.ELFCLASS64 || f.Data != elf.ELFDATA2LSB {
		return nil, fmt.Errorf("%w: %v %v; only 64-bit little-endian programs can be read",
			ErrUnsupported, f.Class, f.Data)
	}
	img := &image{data: data, elf: f}
	for _, p := range f.Progs {
		if p.Type != elf.PT_LOAD || p.Off > uint64(len(data)) {
			continue
		}
		img.segments = append(img.segments, segment{
			addr:     p.Vaddr,
			offset:   p.Off,
			size:     min(p.Filesz, uint64(len(data))-p.Off, math.MaxUint64-p.Vaddr),
			writable: p.Flags&elf.PF_W != 0,
		})
	}
	for _, s := range f.Sections {
		if s.Type == elf.SHT_RELA && s.Flags&elf.SHF_ALLOC != 0 {
			img.relas = append(img.relas, img.section(s))
		}
	}
	return img, nil
}

// section is the bytes of a section as they are in the file.
func (img *image) section(s *elf.Section) []byte {
	size := uint64(len(img.data))
	if s == nil || s.Type == elf.SHT_NOBITS || s.Offset > size {
		return nil
	}
	return img.data[s.Offset:min(s.Offset+min(s.FileSize, size), size)]
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

// relocations calls visit for each relative relocation: the word at offset is
// addend plus the load bias.
func (img *image) relocations(visit func(offset, addend uint64)) {
	for _, table := range img.relas {
		for ; len(table) >= relaSize; table = table[relaSize:] {
			if elf.R_TYPE64(binary.LittleEndian.Uint64(table[8:])) == img.relative {
				visit(binary.LittleEndian.Uint64(table), binary.LittleEndian.Uint64(table[16:]))
			}
		}
	}
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

// objects looks up variables in the symbol table. The table is read in place:
// that of a large program has hundreds of thousands of entries.
func (img *image) objects(names map[string]uint64) {
	const symSize = 24 // Elf64_Sym: name, info, other, shndx, value, size
	symtab := img.elf.SectionByType(elf.SHT_SYMTAB)
	if symtab == nil || symtab.Link >= uint32(len(img.elf.Sections)) {
		return
	}
	strtab := img.section(img.elf.Sections[symtab.Link])
	for syms := img.section(symtab); len(syms) >= symSize; syms = syms[symSize:] {
		if elf.ST_TYPE(syms[4]) != elf.STT_OBJECT {
			continue
		}
		name := cstring(strtab, uint64(binary.LittleEndian.Uint32(syms)))
		if _, wanted := names[string(name)]; wanted {
			names[string(name)] = binary.LittleEndian.Uint64(syms[8:])
		}
	}
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
