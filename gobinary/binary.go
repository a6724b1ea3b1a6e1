// Package gobinary tells what a Go executable of Linux, macOS or FreeBSD is like
// from its bytes alone, ELF or Mach-O: its Go version, functions and lines (inlined calls included), the layout of
// the runtime's structures, and the instructions at which the netpoller can be
// probed. Servers are built stripped, as PIE, with cgo and with PGO, so nothing
// here needs a symbol table or DWARF: functions come from the pclntab that
// every Go program carries, everything else from disassembling them.
//
// The package is a pure function of the file. It gives the same answers on
// every system, and never looks at a process or a kernel.
//
// All addresses are link-time virtual addresses: in a position-independent
// executable a process adds its load bias to them.
package gobinary

import (
	"bytes"
	"debug/buildinfo"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"

	"github.com/netpolltrace/netpolltrace/wait"
)

// ErrNotGo is wrapped by errors about files that no Go toolchain made.
var ErrNotGo = errors.New("not a Go executable")

// ErrUnsupported is wrapped by errors about Go executables that this package
// cannot read: too old or unknown versions of Go, and other architectures.
var ErrUnsupported = errors.New("unsupported Go executable")

// Binary is an open Go executable. Its methods may be called concurrently, but
// not after Close.
type Binary struct {
	Path      string
	GoVersion string // as runtime.Version prints it: go1.26.8
	OS        string // as Go names it: linux, darwin or freebsd
	Arch      string // as Go names it: amd64 or arm64
	BuildID   string // Go's build ID; empty when the linker was told to leave it out
	MainPath  string // import path of the main package; empty when not recorded
	PIE       bool   // position-independent: a process loads it at a bias
	Cgo       bool   // runtime/cgo is linked in: threads may run C code
	Race      bool   // built with the race detector
	Stripped  bool   // without a symbol table of Go's functions
	HasDWARF  bool

	version version
	image   *image
	unmap   func() error
	tab     *pclntab
	arch    *arch
	modules wait.Modules

	known   func() map[string]Func // by name, the functions of knownFuncs that there are
	layout  func() (*Layout, error)
	places  func() (*Places, error)
	globals func() Globals
}

// Func is a function of the executable's text.
type Func struct {
	Name  string
	Entry uint64
	End   uint64 // the address after its last byte, padding included
}

// Open maps an executable and reads its headers; all else is read when it is
// asked for. The error says what the file is not: it wraps [ErrNotGo] or
// [ErrUnsupported] where that is the cause.
//
// The file must not be truncated while it is open. That of a running program
// cannot be.
func Open(path string) (*Binary, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, unmap, err := mapFile(f)
	if err != nil {
		return nil, fmt.Errorf("mapping %s: %w", path, err)
	}
	b, err := parse(data)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, errors.Join(err, unmap()))
	}
	b.Path, b.unmap = path, unmap
	return b, nil
}

// Close unmaps the file. What the methods returned stays valid.
func (b *Binary) Close() error { return b.unmap() }

// parse reads an executable's headers.
func parse(data []byte) (*Binary, error) {
	img, err := newImage(data)
	if err != nil {
		return nil, err
	}
	b := &Binary{image: img}
	info, err := b.identify()
	if err != nil {
		return nil, err
	}
	if b.tab, err = findPCLNTab(img); err != nil {
		return nil, err
	}
	module, err := findModuledata(img, b.tab, b.version)
	if err != nil {
		return nil, err
	}
	b.tab.text = module.text
	b.tab.gofunc = img.from(module.gofunc)
	b.known = sync.OnceValue(b.findKnown)
	b.Cgo = b.has("crosscall2")
	b.Race = b.has("runtime.racefuncenter")
	b.modules = modulesOf(info, b.runtimeFile())
	b.layout = sync.OnceValues(b.findLayout)
	b.globals = sync.OnceValue(b.findGlobals)
	b.places = sync.OnceValues(b.findPlaces)
	return b, nil
}

// identify reads what the headers and the build information say.
func (b *Binary) identify() (*buildinfo.BuildInfo, error) {
	b.arch = b.image.arch
	b.Arch = b.arch.name
	info, err := buildinfo.Read(bytes.NewReader(b.image.data))
	if err != nil {
		return nil, fmt.Errorf("%w: it has no build information; name a program built by Go", ErrNotGo)
	}
	b.GoVersion = info.GoVersion
	var ok bool
	if b.version, ok = parseVersion(info.GoVersion); !ok {
		return nil, fmt.Errorf("%w: its Go version is %q; build it with a release of Go", ErrUnsupported, info.GoVersion)
	}
	if b.version.before(oldestMinor, 0) {
		return nil, fmt.Errorf("%w: it was built by %s; build it with Go 1.%d or newer", ErrUnsupported, info.GoVersion, oldestMinor)
	}
	b.MainPath = info.Path
	b.OS = systemOf(info, b.image.system)
	if !slices.Contains(systems[:], b.OS) {
		return nil, fmt.Errorf("%w: it is for %s; only programs for Linux, macOS and FreeBSD can be traced", ErrUnsupported, b.OS)
	}
	b.BuildID = b.image.buildID
	b.PIE = b.image.pie
	b.Stripped = b.image.stripped
	b.HasDWARF = b.image.hasDWARF
	return info, nil
}

// systems are those whose netpoller is known here.
var systems = [...]string{"linux", "darwin", "freebsd"}

// systemOf is the system that the executable was built for. Build systems other
// than the go command may not record it; then the format of the file tells.
func systemOf(info *buildinfo.BuildInfo, format string) string {
	for _, s := range info.Settings {
		if s.Key == "GOOS" {
			return s.Value
		}
	}
	return format
}

// GoBefore tells whether the executable was built by a release before Go 1.minor.
func (b *Binary) GoBefore(minor int) bool { return b.version.before(minor, 0) }

// Func looks a function up by the name that the linker gave it.
func (b *Binary) Func(name string) (Func, bool) {
	if f, ok := b.known()[name]; ok {
		return f, true
	}
	for _, i := range b.tab.find(func(n []byte) bool { return string(n) == name }) {
		return b.tab.function(i), true
	}
	return Func{}, false
}

// FuncAt finds the function that an address is in, whatever was inlined there.
func (b *Binary) FuncAt(pc uint64) (Func, bool) {
	i, ok := b.tab.index(pc)
	if !ok {
		return Func{}, false
	}
	return b.tab.function(i), true
}

// FileOffset is where in the file the byte at an address is: what a uprobe is
// placed by.
func (b *Binary) FileOffset(addr uint64) (uint64, error) {
	s, ok := b.image.segmentOf(addr)
	if !ok {
		return 0, fmt.Errorf("address %#x is in no segment of %s", addr, b.Path)
	}
	return s.offset + addr - s.addr, nil
}

// AddrAt is the address of the byte at an offset in the file: the inverse of
// [Binary.FileOffset]. It is false for bytes that are not loaded.
func (b *Binary) AddrAt(offset uint64) (uint64, bool) {
	for _, s := range b.image.segments {
		if offset >= s.offset && offset-s.offset < s.size {
			return s.addr + offset - s.offset, true
		}
	}
	return 0, false
}

// findKnown looks up the functions of knownFuncs.
func (b *Binary) findKnown() map[string]Func {
	wanted := make(map[string]bool, len(knownFuncs))
	for _, name := range knownFuncs {
		wanted[name] = true
	}
	known := make(map[string]Func, len(knownFuncs))
	for name, i := range b.tab.find(func(n []byte) bool { return wanted[string(n)] }) {
		known[name] = b.tab.function(i)
	}
	return known
}

// runtimeFile is the file in which runtime.main is.
func (b *Binary) runtimeFile() string {
	main, ok := b.known()[fnMain]
	if !ok {
		return ""
	}
	for _, f := range b.Frames(main.Entry) {
		return f.File
	}
	return ""
}
