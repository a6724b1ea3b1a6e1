// Package gobinary tells what a Go executable is like from its bytes alone:
// its Go version, functions and lines (inlined calls included), the layout of
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
	"debug/buildinfo"
	"errors"

)

// ErrNotGo is wrapped by errors about files that no Go toolchain made.
var ErrNotGo = errors.New("not a Go executable")

// ErrUnsupported is wrapped by errors about Go executables that this package
// cannot read: too old or unknown versions of Go, and other architectures.
var ErrUnsupported = errors.New("unsupported Go executable")

// Binary is an open Go executable. Its methods may be called concurrently.
type Binary struct {
	Path      string
	GoVersion string // as runtime.Version prints it: go1.26.8
	Arch      string // as Go names it: amd64 or arm64
	BuildID   string // Go's build ID; empty when the linker was told to leave it out
	MainPath  string // package path of the main package
	PIE       bool   // position-independent: a process loads it at a bias
	Cgo       bool   // runtime/cgo is linked in: threads may run C code
	Race      bool   // built with the race detector
	Stripped  bool   // without a symbol table
	HasDWARF  bool

	info    *buildinfo.BuildInfo
	version version
	image   *image
	tab     *pclntab
	module  moduledata
	arch    *arch

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
