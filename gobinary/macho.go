package gobinary

import (
	"bytes"
	"debug/macho"
	"fmt"
	"strconv"
	"strings"
)

// newMachO reads the headers of a Mach-O file, the executables of macOS. Its
// words that hold addresses are in the file what they are at bias 0, so nothing
// has to be relocated; the form in which they are chained is told by
// [chained].
func newMachO(data []byte) (*image, error) {
	f, err := macho.NewFile(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	arch := archOf(func(a *arch) bool { return a.macho == f.Cpu })
	if arch == nil {
		return nil, fmt.Errorf("%w: its architecture is %v; only amd64 and arm64 can be traced", ErrUnsupported, f.Cpu)
	}
	if chained(f) {
		return nil, fmt.Errorf("%w: Apple's linker chained its addresses (LC_DYLD_CHAINED_FIXUPS); "+
			"build it with CGO_ENABLED=0, or with -ldflags=-extldflags=-Wl,-no_fixup_chains", ErrUnsupported)
	}
	img := &image{
		data:        data,
		sections:    make(map[string]uint64),
		arch:        arch,
		system:      "darwin",
		pie:         f.Flags&macho.FlagPIE != 0,
		stripped:    !hasRuntimeSymbol(f),
		hasDWARF:    f.Section("__debug_info") != nil || f.Section("__zdebug_info") != nil,
		buildID:     machoBuildID(f, data),
		relocations: func(func(offset, addend uint64)) {},
		symbols: func(visit func([]byte, uint64)) {
			for name, s := range definedSymbols(f) {
				visit([]byte(name), s)
			}
		},
		dwarf: f.DWARF,
	}
	for _, l := range f.Loads {
		s, ok := l.(*macho.Segment)
		if !ok || s.Memsz == 0 || s.Filesz == 0 || s.Name == "__LINKEDIT" {
			continue
		}
		const protWrite = 2 // VM_PROT_WRITE
		if seg, ok := newSegment(data, s.Addr, s.Offset, min(s.Filesz, s.Memsz), s.Prot&protWrite != 0); ok {
			img.segments = append(img.segments, seg)
		}
	}
	for _, s := range f.Sections {
		if s.Offset != 0 && s.Seg != "__DWARF" {
			img.sections[strings.TrimPrefix(s.Name, "__")] = s.Addr
		}
	}
	return img, nil
}

// chained tells whether the words that hold addresses are links of chains, as
// Apple's linker writes them unless told otherwise (mach-o/fixup-chains.h). Go's
// does not.
func chained(f *macho.File) bool {
	const loadChainedFixups = 0x80000034 // LC_DYLD_CHAINED_FIXUPS
	for _, l := range f.Loads {
		if raw := l.Raw(); len(raw) >= 4 && f.ByteOrder.Uint32(raw) == loadChainedFixups {
			return true
		}
	}
	return false
}

// definedSymbols are the symbols of the file's own sections, by name. Apple's
// linker puts an underscore before all names, Go's does not.
func definedSymbols(f *macho.File) func(yield func(string, uint64) bool) {
	return func(yield func(string, uint64) bool) {
		if f.Symtab == nil {
			return
		}
		const typeMask, section, debug = 0x0e, 0x0e, 0xe0 // N_TYPE, N_SECT, N_STAB
		for _, s := range f.Symtab.Syms {
			if s.Type&typeMask == section && s.Type&debug == 0 && !yield(strings.TrimPrefix(s.Name, "_"), s.Value) {
				return
			}
		}
	}
}

// hasRuntimeSymbol tells whether there are symbols of Go's functions: of a
// stripped file those of libraries are left.
func hasRuntimeSymbol(f *macho.File) bool {
	for name := range definedSymbols(f) {
		if name == fnGopark {
			return true
		}
	}
	return false
}

// machoBuildID reads what Go's linker writes at the start of the text.
// See cmd/internal/buildid/buildid.go (goBuildPrefix).
func machoBuildID(f *macho.File, data []byte) string {
	const prefix, end, longest = "\xff Go build ID: ", "\n \xff", 256
	text := f.Section("__text")
	if text == nil || uint64(text.Offset) > uint64(len(data)) {
		return ""
	}
	head := data[text.Offset:]
	quoted, ok := bytes.CutPrefix(head[:min(len(head), longest)], []byte(prefix))
	if !ok {
		return ""
	}
	quoted, _, _ = bytes.Cut(quoted, []byte(end))
	id, err := strconv.Unquote(string(quoted))
	if err != nil {
		return ""
	}
	return id
}
