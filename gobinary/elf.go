package gobinary

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"strings"
)

// relaSize is the size of an Elf64_Rela: offset, info, addend.
const relaSize = 24

// elfFile is an ELF file, the executables of Linux and FreeBSD.
type elfFile struct {
	*elf.File
	data     []byte
	relas    [][]byte // the tables of dynamic relocations, as in the file
	relative uint32   // the type of relocation that adds the load bias to an address
}

// newELF reads the headers of an ELF file.
func newELF(data []byte) (*image, error) {
	file, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	if file.Class != elf.ELFCLASS64 || file.Data != elf.ELFDATA2LSB {
		return nil, fmt.Errorf("%w: %v %v; only 64-bit little-endian programs can be read",
			ErrUnsupported, file.Class, file.Data)
	}
	arch := archOf(func(a *arch) bool { return a.elf == file.Machine })
	if arch == nil {
		return nil, fmt.Errorf("%w: its architecture is %v; only amd64 and arm64 can be traced", ErrUnsupported, file.Machine)
	}
	f := &elfFile{File: file, data: data, relative: arch.relative}
	img := &image{
		data:        data,
		sections:    make(map[string]uint64),
		arch:        arch,
		system:      "linux",
		pie:         file.Type == elf.ET_DYN,
		stripped:    file.SectionByType(elf.SHT_SYMTAB) == nil,
		hasDWARF:    file.Section(".debug_info") != nil || file.Section(".zdebug_info") != nil,
		buildID:     f.buildID(),
		relocations: f.relocations,
		symbols:     f.symbols,
		dwarf:       file.DWARF,
	}
	if file.OSABI == elf.ELFOSABI_FREEBSD {
		img.system = "freebsd"
	}
	for _, p := range file.Progs {
		if p.Type != elf.PT_LOAD {
			continue
		}
		if s, ok := newSegment(data, p.Vaddr, p.Off, p.Filesz, p.Flags&elf.PF_W != 0); ok {
			img.segments = append(img.segments, s)
		}
	}
	for _, s := range file.Sections {
		if s.Flags&elf.SHF_ALLOC == 0 || s.Type == elf.SHT_NOBITS {
			continue
		}
		// With external linking of PIE some have .data.rel.ro before their names.
		name := strings.TrimPrefix(s.Name, ".data.rel.ro")
		img.sections[strings.TrimPrefix(name, ".")] = s.Addr
		if s.Type == elf.SHT_RELA {
			f.relas = append(f.relas, f.section(s))
		}
	}
	return img, nil
}

// section is the bytes of a section as they are in the file.
func (f *elfFile) section(s *elf.Section) []byte {
	size := uint64(len(f.data))
	if s == nil || s.Type == elf.SHT_NOBITS || s.Offset > size {
		return nil
	}
	return f.data[s.Offset:min(s.Offset+min(s.FileSize, size), size)]
}

// buildID reads the note that Go's linker writes.
func (f *elfFile) buildID() string {
	note := f.section(f.Section(".note.go.buildid"))
	const header = 16 // name's size, description's size, type, "Go\0\0"
	if len(note) < header || string(note[12:16]) != "Go\x00\x00" {
		return ""
	}
	id := note[header:]
	return string(id[:min(uint64(binary.LittleEndian.Uint32(note[4:])), uint64(len(id)))])
}

// relocations implements that of [image].
func (f *elfFile) relocations(visit func(offset, addend uint64)) {
	for _, table := range f.relas {
		for ; len(table) >= relaSize; table = table[relaSize:] {
			if elf.R_TYPE64(binary.LittleEndian.Uint64(table[8:])) == f.relative {
				visit(binary.LittleEndian.Uint64(table), binary.LittleEndian.Uint64(table[16:]))
			}
		}
	}
}

// symbols implements that of [image]. The table is read in place: that of a large
// program has hundreds of thousands of entries.
func (f *elfFile) symbols(visit func(name []byte, addr uint64)) {
	const symSize = 24 // Elf64_Sym: name, info, other, shndx, value, size
	symtab := f.SectionByType(elf.SHT_SYMTAB)
	if symtab == nil || symtab.Link >= uint32(len(f.Sections)) {
		return
	}
	names := f.section(f.Sections[symtab.Link])
	for syms := f.section(symtab); len(syms) >= symSize; syms = syms[symSize:] {
		if elf.ST_TYPE(syms[4]) == elf.STT_OBJECT {
			name := cstring(names, uint64(binary.LittleEndian.Uint32(syms)))
			visit(name, binary.LittleEndian.Uint64(syms[8:]))
		}
	}
}
