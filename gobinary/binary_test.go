package gobinary

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/netpolltrace/netpolltrace/wait"
)

// contents is a copy of a built program.
func contents(t testing.TB) []byte {
	t.Helper()
	data, err := os.ReadFile(build(t, variants[1], "").path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// contentsOf is a copy of a variant.
func contentsOf(t testing.TB, name string) []byte {
	t.Helper()
	for _, v := range variants {
		if v.name == name {
			data, err := os.ReadFile(build(t, v, "").path)
			if err != nil {
				t.Fatal(err)
			}
			return data
		}
	}
	t.Fatalf("there is no variant %s", name)
	return nil
}

// chainedMachO makes the first load command that is none of a segment the one that
// tells of chained addresses.
func chainedMachO(program []byte) []byte {
	const header, segment, chained = 32, 0x19, 0x80000034
	for at := header; ; at += int(binary.LittleEndian.Uint32(program[at+4:])) {
		if binary.LittleEndian.Uint32(program[at:]) == segment {
			continue
		}
		binary.LittleEndian.PutUint32(program[at:], chained)
		return program
	}
}

func TestFilesThatCannotBeTraced(t *testing.T) {
	program := contents(t)
	version := []byte(build(t, variants[1], "").open(t).GoVersion)
	for _, c := range []struct {
		name  string
		data  []byte
		cause error
		text  string
	}{
		{"empty", nil, ErrNotGo, "not an ELF or Mach-O file"},
		{"script", []byte("#!/bin/sh\nexec server\n"), ErrNotGo, "not an ELF or Mach-O file"},
		{"32-bit Mach-O", []byte("\xce\xfa\xed\xfe"), ErrUnsupported, "only 64-bit"},
		{"universal Mach-O", []byte("\xca\xfe\xba\xbe\x00\x00\x00\x02"), ErrUnsupported, "lipo -thin"},
		{"Windows", []byte("MZ\x90\x00"), ErrUnsupported, "it is for Windows"},
		{"only a header of Mach-O", contentsOf(t, "macOS arm64")[:32], nil, "EOF"},
		{"Mach-O for PowerPC", patched(contentsOf(t, "macOS arm64"), 4, 18), ErrUnsupported, "only amd64 and arm64"},
		{"OpenBSD", bytes.ReplaceAll(contentsOf(t, "FreeBSD amd64"), []byte("GOOS=freebsd"), []byte("GOOS=openbsd")), ErrUnsupported, "it is for openbsd"},
		{"chained Mach-O", chainedMachO(contentsOf(t, "macOS arm64")), ErrUnsupported, "-no_fixup_chains"},
		{"only a header", program[:64], nil, "EOF"},
		{"without build information", bytes.ReplaceAll(program, []byte("\xff Go buildinf:"), []byte("\xff no buildinf:")), ErrNotGo, "name a program built by Go"},
		{"32 bits", append([]byte(elf.ELFMAG+"\x01\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x03\x00\x01"), make([]byte, 31)...), ErrUnsupported, "only 64-bit"},
		{"RISC-V", patched(program, 18, 243), ErrUnsupported, "EM_RISCV; only amd64 and arm64"},
		{"Go 1.17", bytes.ReplaceAll(program, version, sameLength("go1.17.8", version)), ErrUnsupported, "build it with Go 1.18 or newer"},
		{"unknown pclntab", bytes.ReplaceAll(program, []byte("\xf1\xff\xff\xff\x00\x00\x01\x08"), []byte("\xe1\xff\xff\xff\x00\x00\x01\x08")), nil, "no pclntab"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "file")
			if err := os.WriteFile(path, c.data, 0o600); err != nil {
				t.Fatal(err)
			}
			b, err := Open(path)
			if err == nil {
				b.Close()
				t.Fatal("it was opened")
			}
			if c.cause != nil && !errors.Is(err, c.cause) || !strings.Contains(err.Error(), c.text) || !strings.Contains(err.Error(), path) {
				t.Errorf("error is %q", err)
			}
		})
	}
	if _, err := Open(t.TempDir()); err == nil {
		t.Error("a directory was opened")
	}
	if _, err := Open("does/not/exist"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error is %v", err)
	}
}

func patched(data []byte, offset int, value byte) []byte {
	data = bytes.Clone(data)
	data[offset] = value
	return data
}

// sameLength pads or cuts a version to the length of another.
func sameLength(s string, like []byte) []byte {
	return []byte((s + "00000000")[:len(like)])
}

// TestNewerGo is about a release that is not in the table.
func TestNewerGo(t *testing.T) {
	p := build(t, variants[0], "")
	data, err := os.ReadFile(p.path)
	if err != nil {
		t.Fatal(err)
	}
	version := []byte(p.open(t).GoVersion)
	newer, err := parse(bytes.ReplaceAll(data, version, sameLength("go1.99.9", version)))
	if err != nil {
		t.Fatal(err)
	}
	if l, err := newer.Layout(); err != nil || l.Source != "DWARF" {
		t.Errorf("layout is %v, %v; want it from DWARF", l, err)
	}
	stripped, err := parse(bytes.ReplaceAll(contents(t), version, sameLength("go1.99.9", version)))
	if err != nil {
		t.Fatal(err)
	}
	if l, err := stripped.Layout(); err != nil || !l.Guess || !strings.Contains(l.Source, "a guess for go1.99.9") {
		t.Errorf("layout is %v, %v; want that of the newest release, as a guess", l, err)
	}
	patch, err := parse(bytes.ReplaceAll(contents(t), version, sameLength("go1.27.9", version)))
	if err != nil {
		t.Fatal(err)
	}
	if l, err := patch.Layout(); err != nil || !l.Guess || !strings.Contains(l.Source, "a guess for go1.27.9") {
		t.Errorf("layout is %v, %v; want that of the release before, as a guess", l, err)
	}
}

func TestAddressesOutsideTheText(t *testing.T) {
	b := build(t, variants[0], "").open(t)
	for _, pc := range []uint64{0, 1, b.tab.text - 1, b.tab.entry(b.tab.funcs), ^uint64(0)} {
		if f, ok := b.FuncAt(pc); ok {
			t.Errorf("%#x is in %s", pc, f.Name)
		}
		if frames := b.Frames(pc); frames != nil {
			t.Errorf("%#x has frames %v", pc, frames)
		}
	}
	if f, ok := b.Func("no.such"); ok {
		t.Errorf("no.such is %v", f)
	}
	if f, ok := b.Func("main.callers"); !ok || f.Name != "main.callers" {
		t.Errorf("main.callers is %v, %v", f, ok)
	}
}

func TestAnswersOutliveTheFile(t *testing.T) {
	b, err := Open(build(t, variants[0], "").path)
	if err != nil {
		t.Fatal(err)
	}
	main, _ := b.Func("main.main")
	frames := b.Frames(main.Entry)
	reasons, err := b.WaitReasons()
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if main.Name != "main.main" || frames[0].Func != "main.main" || reasons[2] != wait.ReasonIO {
		t.Errorf("after Close: %v, %v, %v", main, frames, reasons)
	}
}

func TestVersions(t *testing.T) {
	for text, want := range map[string]version{
		"go1.18":                     {minor: 18},
		"go1.26.8":                   {minor: 26, patch: 8},
		"go1.27rc1":                  {minor: 27, altered: true},
		"go1.24.3 X:boringcrypto":    {minor: 24, patch: 3, altered: true},
		"go1.25.1-custom":            {minor: 25, patch: 1, altered: true},
		"devel go1.28-3f2a6b1 Nov 2": {minor: 28, altered: true},
	} {
		if got, ok := parseVersion(text); !ok || got != want {
			t.Errorf("%q is %+v, %v", text, got, ok)
		}
	}
	for _, text := range []string{"", "go1", "go1.", "go2.1", "devel", "go1.x", "go1.99999999999999999999"} {
		if got, ok := parseVersion(text); ok {
			t.Errorf("%q is %+v", text, got)
		}
	}
}

func TestTableIsKeyedByPatchRelease(t *testing.T) {
	table, err := readOffsets()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		version, first string
		exact          bool
	}{
		{"go1.18", "go1.18.0", true},
		{"go1.23.2", "go1.23.0", true},
		{"go1.23.3", "go1.23.3", true},
		{"go1.23.11", "go1.23.3", true},
		{"go1.23.12", "go1.23.12", true},
		{"go1.24.5", "go1.24.0", true},
		{"go1.24.6", "go1.24.6", true},
		{"go1.26.8", "go1.26.0", true},
		{"go1.26.8 X:arenas", "go1.26.0", false},
		{"go1.26.99", "go1.26.0", false},
		{"go1.27rc2", "go1.27.0", false},
		{"go1.99.0", "go1.27.0", false},
	} {
		v, _ := parseVersion(c.version)
		entry, exact := table.lookup(v)
		if entry.First != c.first || exact != c.exact {
			t.Errorf("%s: entry of %q, exact %v; want %q, %v", c.version, entry.First, exact, c.first, c.exact)
		}
	}
	if oldest, _ := parseVersion(table[0].First); oldest != (version{minor: oldestMinor}) {
		t.Errorf("the table begins with %v, not with the oldest release that is read", oldest)
	}
	for i, e := range table {
		first, ok := parseVersion(e.First)
		last, ok2 := parseVersion(e.Last)
		if !ok || !ok2 || first.minor != last.minor || last.compare(first) < 0 {
			t.Errorf("entry %d goes from %s to %s", i, e.First, e.Last)
		}
		for _, f := range fields {
			if _, has := e.Offsets[f.key()]; has != f.inVersion(first) {
				t.Errorf("%s has %s: %v", e.First, f.key(), has)
			}
		}
		for key := range e.Offsets {
			if !isField(key) {
				t.Errorf("%s has %s, which nobody reads", e.First, key)
			}
		}
	}
}

func isField(key string) bool {
	for _, f := range fields {
		if f.key() == key {
			return true
		}
	}
	return false
}

// TestLayoutHasNoOtherFields holds the list of fields against the type.
func TestLayoutHasNoOtherFields(t *testing.T) {
	var l Layout
	places := make(map[*uint32]bool)
	for _, f := range fields {
		places[f.in(&l)] = true
	}
	offsets := 0
	for _, structure := range []any{l.G, l.M, l.P, l.PollDesc} {
		offsets += reflect.TypeOf(structure).NumField()
	}
	if len(places) != len(fields) || offsets != len(fields) {
		t.Errorf("%d fields fill %d of %d offsets", len(fields), len(places), offsets)
	}
}

func TestEpollDecodings(t *testing.T) {
	const pd, tag = 0x7f12_3456_7e00, 5 // 512-aligned, as pollDescs are since Go 1.25
	for _, c := range []struct {
		version string
		data    uint64
		tag     uint64
	}{
		{"go1.20.14", pd, 0},
		{"go1.21.0", pd>>3<<19 | tag, tag},
		{"go1.24.13", pd>>3<<19 | tag, tag},
		{"go1.25.3", pd>>9<<25 | tag, tag},
		{"go1.25.4", pd>>9<<24 | tag, tag},
		{"go1.27.4", pd>>9<<24 | tag, tag},
	} {
		for _, a := range []*arch{newAMD64(), newARM64()} {
			b := &Binary{arch: a}
			b.version, _ = parseVersion(c.version)
			all := b.EpollDecodings()
			gotTag := c.data & (1<<all[0].TagBits - 1)
			if got := all[0].PollDesc(c.data); got != pd || gotTag != c.tag {
				t.Errorf("%s %s: pollDesc %#x, tag %d", c.version, a.name, got, gotTag)
			}
			seen := make(map[EpollDecoding]bool)
			for _, d := range all {
				seen[d] = true
			}
			if len(seen) != len(decodings) {
				t.Errorf("%s %s: decodings are %v", c.version, a.name, all)
			}
		}
	}
}

func TestRegisters(t *testing.T) {
	for reg, want := range map[Register]string{NoRegister: "", RAX: "RAX", R8: "R8", R15: "R15", X0: "X0", X28: "X28", X30: "X30", X30 + 1: ""} {
		if got := reg.String(); got != want {
			t.Errorf("register %d is %q, want %q", reg, got, want)
		}
	}
}

// TestVectorInstructions takes lengths from an assembler.
func TestVectorInstructions(t *testing.T) {
	for text, code := range map[string][]byte{
		"shlx rax, rbx, rcx":                {0xc4, 0xe2, 0xf1, 0xf7, 0xc3},
		"andn eax, ebx, [rip+0x10]":         {0xc4, 0xe2, 0x60, 0xf2, 0x05, 0x10, 0, 0, 0},
		"rorx rax, rbx, 5":                  {0xc4, 0xe3, 0xfb, 0xf0, 0xc3, 0x05},
		"vzeroupper":                        {0xc5, 0xf8, 0x77},
		"vmovdqu ymm0, [rsp+0x20]":          {0xc5, 0xfe, 0x6f, 0x44, 0x24, 0x20},
		"vpshufd xmm1, xmm2, 1":             {0xc5, 0xf9, 0x70, 0xca, 0x01},
		"vmovdqu ymm0, [rax+rbx*2+0x12345]": {0xc5, 0xfe, 0x6f, 0x84, 0x58, 0x45, 0x23, 0x01, 0x00},
		"vmovdqu64 zmm0, [rdi+0x40]":        {0x62, 0xf1, 0xfe, 0x48, 0x6f, 0x47, 0x01},
	} {
		if got := vectorSize(append(code, 0x90, 0x90)); got != uint64(len(code)) {
			t.Errorf("%s takes %d bytes, want %d", text, got, len(code))
		}
		for n := range code {
			if vectorSize(code[:n]) > uint64(n) {
				t.Errorf("%s cut to %d bytes takes more", text, n)
			}
		}
	}
}

func FuzzParse(f *testing.F)      { fuzzParse(f, contents(f)) }
func FuzzParseMachO(f *testing.F) { fuzzParse(f, contentsOf(f, "macOS arm64")) }

// fuzzParse damages a program: it overwrites 8 bytes and cuts the end off.
// Whatever comes of it must not panic, nor take much memory.
func fuzzParse(f *testing.F, whole []byte) {
	b, err := parse(whole)
	if err != nil {
		f.Fatal(err)
	}
	size := uint64(len(whole))
	interesting := []uint64{0, 16, 24, 32, 40, 48, 52, 56, 60, 64, 96, size - 8}
	for _, addr := range []uint64{b.tab.addr, b.tab.addrTab, b.tab.text} {
		if offset, err := b.FileOffset(addr); err == nil {
			interesting = append(interesting, offset, offset+8, offset+16, offset+24, offset+32, offset+64)
		}
	}
	for _, addr := range b.image.sections {
		if offset, err := b.FileOffset(addr); err == nil {
			interesting = append(interesting, offset, offset+8)
		}
	}
	for _, offset := range interesting {
		for _, value := range []uint64{0, 1, 0x7fff_ffff, 1 << 40, ^uint64(0)} {
			f.Add(offset, value, size)
		}
	}
	for cut := size; cut > 0; cut = cut * 3 / 4 {
		f.Add(uint64(0), binary.LittleEndian.Uint64(whole), cut)
	}
	scratch := make([]byte, size)
	f.Fuzz(func(t *testing.T, offset, value, end uint64) {
		data := scratch[:copy(scratch, whole)]
		if offset <= size-8 {
			binary.LittleEndian.PutUint64(data[offset:], value)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if b, err := parse(data[:min(end, size)]); err == nil {
			useAll(b)
		}
		runtime.ReadMemStats(&after)
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 64<<20 {
			t.Errorf("%d bytes were allocated for a file of %d", grown, size)
		}
	})
}

// useAll asks a Binary everything, for its panics.
func useAll(b *Binary) {
	b.Places()
	b.Layout()
	b.Globals()
	b.WaitReasons()
	b.GFromThread()
	for i := 0; i < b.tab.funcs; i += 1 + b.tab.funcs/64 {
		f := b.tab.function(i)
		b.FuncAt(f.Entry)
		b.FileOffset(f.Entry)
		code := wait.NewCode(b.Modules(), nil)
		for _, frame := range b.Frames(f.Entry + (f.End-f.Entry)/2) {
			code.Owner(frame)
		}
	}
}

// BenchmarkOpen does what a tracer does before it attaches, on Go's compiler.
func BenchmarkOpen(b *testing.B) {
	path := bigProgram(b)
	for b.Loop() {
		bin, err := Open(path)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := bin.Places(); err != nil {
			b.Fatal(err)
		}
		if _, err := bin.Layout(); err != nil {
			b.Fatal(err)
		}
		bin.Close()
	}
}

// BenchmarkFrames describes addresses all over the text.
func BenchmarkFrames(b *testing.B) {
	bin, err := Open(bigProgram(b))
	if err != nil {
		b.Fatal(err)
	}
	defer bin.Close()
	first, last := bin.tab.entry(0), bin.tab.entry(bin.tab.funcs)
	for pc := first; b.Loop(); pc = first + (pc-first+7919)%(last-first) {
		bin.Frames(pc)
	}
}

// bigProgram is NETPOLLTRACE_BIG_PROGRAM, or the go command itself.
func bigProgram(b *testing.B) string {
	b.Helper()
	if path := os.Getenv("NETPOLLTRACE_BIG_PROGRAM"); path != "" {
		return path
	}
	path, err := exec.LookPath("go")
	if err != nil {
		b.Skip("go is missing, which is the program to open")
	}
	return path
}
