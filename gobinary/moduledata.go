package gobinary

import (
	"encoding/binary"
	"fmt"
)

// moduledata is what is needed of runtime.firstmoduledata: where the text and
// the inline trees are.
type moduledata struct {
	text   uint64 // what pclntab's entries are relative to
	gofunc uint64 // what _func's funcdata offsets are relative to
}

// The offsets of moduledata's fields that are the same in all versions.
// See runtime/symtab.go (moduledata).
const (
	modulePCHeader = 0
	moduleFtab     = 128 // a slice
	moduleText     = 176
	moduleEtext    = 184
	moduleSize     = 352 // up to and with gofunc in all versions
)

// moduleGofunc is the offset of moduledata.gofunc.
func moduleGofunc(v version) int {
	switch {
	case v.before(20, 0):
		return 304
	case v.before(27, 0):
		return 320 // covctrs and ecovctrs came before it
	}
	return 344 // typedesclen, itaboffset and itabsize came before it
}

// findModuledata finds the module that a pclntab belongs to: it starts with a
// pointer to it. A linker's idea of where the text starts cannot be used in
// its stead: with external linking C code comes first.
func findModuledata(img *image, t *pclntab, v version) (moduledata, error) {
	candidates := img.pointersTo(t.addr)
	for _, name := range [...]string{"go.module", "go_module"} { // of ELF, of Mach-O
		if addr, ok := img.sections[name]; ok {
			candidates = append([]uint64{addr}, candidates...)
		}
	}
	for _, addr := range candidates {
		b, err := img.relocated(addr, moduleSize)
		if err != nil {
			continue
		}
		word := func(offset int) uint64 { return binary.LittleEndian.Uint64(b[offset:]) }
		if word(modulePCHeader) != t.addr || word(moduleFtab) != t.addrTab ||
			word(moduleFtab+8) != uint64(t.funcs)+1 || word(moduleText) > word(moduleEtext) {
			continue
		}
		return moduledata{
			text:   word(moduleText),
			gofunc: word(moduleGofunc(v)),
		}, nil
	}
	return moduledata{}, fmt.Errorf("no moduledata points to the %s: the executable is damaged or altered; build it again", t.describe())
}
