package gobinary

import (
	"cmp"
	"debug/elf"
	"debug/macho"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/netpolltrace/netpolltrace/wait"
)

// The checks of this file hold what this package says of a program against
// someone who knows: the program's own runtime, its symbol table, its DWARF, and
// the sources of the standard library that it was built from.

func TestFramesAreThoseOfTheRuntime(t *testing.T)      { eachVariant(t, checkFrames) }
func TestFunctionsAreThoseOfTheSymbols(t *testing.T)   { eachVariant(t, checkFunctions) }
func TestOffsetsAreThoseOfDWARF(t *testing.T)          { eachVariant(t, checkLayout) }
func TestVariablesAreThoseOfTheSymbols(t *testing.T)   { eachVariant(t, checkGlobals) }
func TestPlacesAreOnTheRightLines(t *testing.T)        { eachVariant(t, checkPlaces) }
func TestPlacesAreInstructions(t *testing.T)           { eachVariant(t, checkBoundaries) }
func TestWaitReasonsAreThoseOfTheSources(t *testing.T) { eachVariant(t, checkWaitReasons) }
func TestThreadLocalOffsetIsThatOfTheELF(t *testing.T) { eachVariant(t, checkTLS) }
func TestHeadersAreAsBuilt(t *testing.T)               { eachVariant(t, checkHeaders) }

// checkFrames runs the program and compares with what its runtime prints.
func checkFrames(t *testing.T, p program) {
	if !p.variant.runs() {
		t.Skip("this machine cannot run it")
	}
	b, a := p.open(t), p.run(t)
	main, ok := b.Func("main.main")
	if !ok {
		t.Fatal("main.main is missing")
	}
	bias := a.Main - main.Entry
	if bias != 0 && !b.PIE {
		t.Fatalf("main.main is at %#x, want %#x", main.Entry, a.Main)
	}
	for i, inlined := 0, false; i < len(a.Stack); {
		frames := b.Frames(a.Stack[i].PC - bias)
		if len(frames) == 0 || i+len(frames) > len(a.Stack) {
			t.Fatalf("frame %d: %d frames", i, len(frames))
		}
		inlined = inlined || len(frames) > 1
		for j, f := range frames {
			want := a.Stack[i+j]
			if f != (wait.Frame{Func: want.Func, File: want.File, Line: want.Line}) {
				t.Errorf("frame %d: %v, want %v", i+j, f, want)
			}
		}
		i += len(frames)
		if i == len(a.Stack) && inlined != p.variant.inlines() {
			t.Errorf("frames were inlined: %v", inlined)
		}
	}
	wrong := 0
	for _, want := range a.Sample {
		if want.File == "?" { // padding after a function's last instruction
			want.File = ""
		}
		frames := b.Frames(want.PC - bias)
		if want.Func == "" && len(frames) > 0 { // Go 1.21 to 1.23 cannot name the first function of the table
			frames[0].Func = ""
		}
		if len(frames) == 0 || frames[0] != (wait.Frame{Func: want.Func, File: want.File, Line: want.Line}) {
			if wrong++; wrong < 5 {
				t.Errorf("%#x: %v, want %v", want.PC-bias, frames, want)
			}
		}
	}
	if wrong > 0 {
		t.Errorf("%d of %d addresses are wrong", wrong, len(a.Sample))
	}
}

// symbol is a function in the symbol table.
type symbol struct {
	name  string
	entry uint64
	size  uint64 // 1 where the format does not tell
}

// textSymbols are the functions of Go's text in the symbol table.
func textSymbols(t *testing.T, p program) []symbol {
	t.Helper()
	if p.variant.stripped() {
		t.Skip("it has no symbol table to compare with")
	}
	all := elfSymbols
	if p.variant.system() == "darwin" {
		all = machoSymbols
	}
	symbols, err := all(p.path)
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(symbols, func(s symbol) bool {
		return s.size == 0 || !strings.Contains(s.name, ".") || strings.Contains(s.name, "(.text") // a section of C code
	})
}

func elfSymbols(path string) ([]symbol, error) {
	f, err := elf.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	all, err := f.Symbols()
	var symbols []symbol
	for _, s := range all {
		if elf.ST_TYPE(s.Info) == elf.STT_FUNC {
			symbols = append(symbols, symbol{s.Name, s.Value, s.Size})
		}
	}
	return symbols, err
}

func machoSymbols(path string) ([]symbol, error) {
	f, err := macho.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var symbols []symbol
	for _, s := range f.Symtab.Syms {
		if s.Sect != 0 && f.Sections[s.Sect-1].Name == "__text" && s.Name != "runtime.text" {
			symbols = append(symbols, symbol{s.Name, s.Value, 1})
		}
	}
	return symbols, nil
}

func checkFunctions(t *testing.T, p program) {
	b := p.open(t)
	checked := 0
	for _, s := range textSymbols(t, p) {
		f, ok := b.FuncAt(s.entry)
		if !ok || f.Entry != s.entry || s.entry+s.size > f.End {
			continue // C code, or an assembly symbol inside a function
		}
		checked++
		name := strings.TrimSuffix(strings.TrimSuffix(s.name, ".abi0"), ".abiinternal")
		if strings.ReplaceAll(f.Name, "·", ".") != printName([]byte(name)) {
			t.Errorf("function at %#x is %s, want %s", s.entry, f.Name, name)
		}
		if last, _ := b.FuncAt(f.End - 1); last != f {
			t.Errorf("last byte of %s is in %s", f.Name, last.Name)
		}
	}
	if checked < 2000 {
		t.Errorf("%d functions have symbols of their own", checked)
	}
	for _, name := range knownFuncs {
		f, ok := b.Func(name)
		if at, _ := b.FuncAt(f.Entry); ok && at != f {
			t.Errorf("Func(%s) is %v, FuncAt %v", name, f, at)
		}
	}
}

// checkLayout compares the offsets with DWARF and with the list of fields.
func checkLayout(t *testing.T, p program) {
	b := p.open(t)
	l, err := b.Layout()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range fields {
		if has := *f.in(l) != NoField; has != f.inVersion(b.version) {
			t.Errorf("offset of %s is %d in %s", f.key(), *f.in(l), b.GoVersion)
		}
	}
	if !b.HasDWARF {
		return
	}
	want, err := dwarfLayout(b)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range fields {
		if got, want := *f.in(l), *f.in(want); got != want {
			t.Errorf("offset of %s is %d, want %d (%s)", f.key(), int32(got), int32(want), l.Source)
		}
	}
}

// checkGlobals searches the code also of programs that have symbols.
func checkGlobals(t *testing.T, p program) {
	b := p.open(t)
	globals := b.Globals()
	for _, s := range globalSearches {
		if !p.variant.inlines() && s.symbol == "runtime.allgptr" {
			continue // only the symbol table tells
		}
		if !s.on(b.OS) {
			if addr := *s.in(&globals); addr != 0 {
				t.Errorf("%s is at %#x", s.symbol, addr)
			}
			continue
		}
		uses, err := b.uses(s.function)
		if err != nil {
			t.Fatal(err)
		}
		want := *s.in(&globals)
		if got := s.pick(b, uses); got != want {
			t.Errorf("%s is at %#x, by code %#x", s.symbol, want, got)
		}
		old := b.version.before(23, 0)
		absent := old && s.symbol == "runtime.netpollEventFd" || !old && s.symbol == "runtime.netpollBreakRd"
		if (want == 0) != absent {
			t.Errorf("%s is at %#x in %s", s.symbol, want, b.GoVersion)
		}
	}
}

// sourceLine is a line of the standard library.
func sourceLine(t *testing.T, goroot string, f wait.Frame) string {
	t.Helper()
	_, file, ok := strings.Cut(f.File, "/src/")
	if !ok {
		file = f.File // -trimpath
	}
	text, err := os.ReadFile(filepath.Join(goroot, "src", file))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	if f.Line < 1 || f.Line > len(lines) {
		t.Fatalf("%s has no line %d", file, f.Line)
	}
	return lines[f.Line-1]
}

// checkPlaces reads the source line of each place.
func checkPlaces(t *testing.T, p program) {
	b := p.open(t)
	goroot := p.go_.goroot(t)
	places, err := b.Places()
	if err != nil {
		t.Fatal(err)
	}
	if p.variant.name != "PGO" && len(places.Missing) > 0 {
		t.Errorf("missing: %q", places.Missing)
	}
	line := func(addr uint64) string {
		frames := b.Frames(addr)
		if len(frames) == 0 {
			t.Fatalf("%#x is in no function", addr)
		}
		return strings.TrimSpace(sourceLine(t, goroot, frames[0]))
	}
	for _, c := range []struct {
		name  string
		place Place
		want  string // on its line
	}{
		{"IOPark", places.IOPark, "gopark(netpollblockcommit,"},
		{"IOResume", places.IOResume, "if old > pdWait {"},
		{"NetpollGoready", places.NetpollGoready, "func "},
		{"Park", places.Park, "func gopark("},
		{"Ready", places.Ready, "func ready("},
		{"Execute", places.Execute, "func execute("},
		{"Netpoll", places.Netpoll, "func netpoll("},
		{"BlockEntry", places.Naive.BlockEntry, "func netpollblock("},
		{"AfterPark", places.Naive.AfterPark, ""},
	} {
		if c.name == "Netpoll" && b.OS != "linux" {
			continue // not looked for
		}
		if at := line(c.place.Addr); !strings.Contains(at, c.want) {
			t.Errorf("%s (%s) is on the line %q, want %q", c.name, c.place.Instr, at, c.want)
		}
		if naive := c.name == "BlockEntry" || c.name == "AfterPark"; c.place.Emulated == naive {
			t.Errorf("%s (%s): emulated is %v", c.name, c.place.Instr, c.place.Emulated)
		}
		if f, _ := b.FuncAt(c.place.Addr); f.Name != c.place.Func || f.Entry+c.place.Offset != c.place.Addr {
			t.Errorf("%s is at %#x in %s, but calls itself %s+%#x", c.name, c.place.Addr, f.Name, c.place.Func, c.place.Offset)
		}
	}
	checkNetpollers(t, b, places, line)
}

// checkNetpollers reads the lines of the calls of netpoll.
func checkNetpollers(t *testing.T, b *Binary, places *Places, line func(uint64) string) {
	found := make(map[string]bool)
	for _, c := range places.NetpollCalls {
		found[c.Poller] = true
		want := "netpoll(0)"
		if c.Poller == findRunnableBlocking {
			want = "netpoll(delay)"
		}
		if at := line(c.Return - 1); !strings.Contains(at, want) {
			t.Errorf("%s polls on the line %q, want %q", c.Poller, at, want)
		}
	}
	for _, c := range places.InlinedPolls {
		found[c.Poller] = true
		if at := line(c.Place.Addr); !strings.Contains(at, "EpollWait(") || !c.Place.Emulated {
			t.Errorf("%s polls inlined on the line %q", c.Poller, at)
		}
	}
	for _, want := range []string{findRunnable, findRunnableBlocking, "pollWork", "sysmon", "startTheWorld"} {
		if !found[want] {
			t.Errorf("no poll of %s was found", want)
		}
	}
}

// checkBoundaries disassembles all of the runtime. The compiler's line tables
// change only between instructions.
func checkBoundaries(t *testing.T, p program) {
	const (
		lockPrefix = 0xf0
		byteByByte = "runtime.sigreturn__sigaction" // each byte has a line of its own
	)
	b := p.open(t)
	checked := 0
	for i := range b.tab.funcs {
		r := b.tab.record(i)
		f := b.tab.function(i)
		if !strings.HasPrefix(f.Name, "runtime.") || f.Name == byteByByte {
			continue
		}
		list, err := b.disassemble(f)
		if err != nil {
			t.Error(err)
			continue
		}
		starts := map[uint64]bool{f.End: true}
		for _, ins := range list {
			starts[ins.addr] = true
		}
		for end := range b.tab.ranges(r.pcln(), r) {
			checked++
			if last, err := b.image.bytes(end-1, 1); err == nil && last[0] == lockPrefix {
				continue // on a line of its own in assembly
			}
			if !starts[end] {
				t.Errorf("%s: a line ends at +%#x, inside an instruction", f.Name, end-f.Entry)
				break
			}
		}
	}
	if checked < 10000 {
		t.Errorf("%d boundaries were checked", checked)
	}
}

// checkWaitReasons reads them in the sources too.
func checkWaitReasons(t *testing.T, p program) {
	got, err := p.open(t).WaitReasons()
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile(filepath.Join(p.go_.goroot(t), "src", "runtime", "runtime2.go"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(source), "var waitReasonStrings = ")
	table, _, _ = strings.Cut(table, "\n}")
	texts := make(map[string]string)
	for _, m := range regexp.MustCompile(`(waitReason\w+):\s+"(.*)"`).FindAllStringSubmatch(table, -1) {
		texts[m[1]] = m[2]
	}
	_, constants, _ := strings.Cut(string(source), "waitReasonZero ")
	constants, _, _ = strings.Cut("waitReasonZero "+constants, "\n)")
	var want []string
	for _, m := range regexp.MustCompile(`(?m)^\s*(waitReason\w+)`).FindAllStringSubmatch(constants, -1) {
		want = append(want, texts[m[1]])
	}
	if !slices.Equal(got, want) || len(want) < 20 {
		t.Errorf("wait reasons are\n%q, want\n%q", got, want)
	}
	if got[2] != wait.ReasonIO || slices.ContainsFunc(got, func(s string) bool { return !utf8.ValidString(s) }) {
		t.Errorf("wait reasons are %q", got)
	}
}

// checkTLS computes the offset as the linker does, from runtime.tlsg.
func checkTLS(t *testing.T, p program) {
	b := p.open(t)
	got, err := b.GFromThread()
	if b.OS == "darwin" && b.Arch == "amd64" {
		if err == nil {
			t.Errorf("g is in %+v, want an error: its place is the system's", got)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if b.Arch == "arm64" {
		if got != (TLS{Register: X28}) {
			t.Errorf("g is in %v", got)
		}
		return
	}
	want := int64(-8) // without thread-local storage of its own
	file, err := elf.Open(p.path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	symbols, _ := file.Symbols()
	for _, s := range symbols {
		if s.Name != "runtime.tlsg" || elf.ST_TYPE(s.Info) != elf.STT_TLS {
			continue
		}
		for _, prog := range file.Progs {
			if prog.Type == elf.PT_TLS {
				want = int64(s.Value - (prog.Memsz+prog.Align-1)/prog.Align*prog.Align)
			}
		}
	}
	if got != (TLS{Register: R14, InMemory: true, Offset: want}) {
		t.Errorf("g is in %+v, want offset %d", got, want)
	}
}

func checkHeaders(t *testing.T, p program) {
	b := p.open(t)
	args := strings.Join(p.variant.args, " ")
	for _, c := range []struct {
		name      string
		got, want bool
	}{
		{"for its system", b.OS == p.variant.system() && b.Arch == p.variant.arch(), true},
		{"PIE", b.PIE, strings.Contains(args, "-buildmode=pie") || b.OS == "darwin"},
		{"Cgo", b.Cgo, p.variant.cgo},
		{"Race", b.Race, strings.Contains(args, "-race")},
		// Up to Go 1.21 the linker kept the symbols of Mach-O in spite of -s.
		{"Stripped", b.Stripped, p.variant.stripped() && !(b.OS == "darwin" && b.GoBefore(22))},
		{"HasDWARF", b.HasDWARF, !p.variant.stripped()},
		{"an own main", b.MainPath == "dotless/server", true},
		{"a build ID", strings.Count(b.BuildID, "/") == 3, true},
	} {
		if c.got != c.want {
			t.Errorf("%s is %v, want %v", c.name, c.got, c.want)
		}
	}
	gopark, _ := b.Func(fnGopark)
	offset, err := b.FileOffset(gopark.Entry)
	if err != nil {
		t.Fatal(err)
	}
	code, err := b.image.bytes(gopark.Entry, 4)
	if err != nil || string(b.image.data[offset:offset+4]) != string(code) {
		t.Errorf("gopark is not at offset %#x of the file", offset)
	}
	if _, err := b.FileOffset(cmp.Or(b.Globals().AllGLen, 1)); err == nil {
		t.Error("a zeroed variable has an offset in the file")
	}
}

func TestEntriesAreFunctionsOfTheirOwn(t *testing.T) { eachVariant(t, checkEntries) }

// checkEntries wants each function that is probed by name, and no call that
// does not pass it.
func checkEntries(t *testing.T, p program) {
	b := p.open(t)
	e := b.Entries()
	for name, entry := range map[string]Entry{
		fnParkM: e.ParkM, fnNetpollCommit: e.Commit, fnNetpollReady: e.NetpollReady,
		fnNetpollGoready: e.Goready, fnReady: e.Ready, fnExecute: e.Execute,
	} {
		if name == fnNetpollGoready && b.version.before(21, 0) {
			name = fnGoready
		}
		f, _ := b.FuncAt(entry.Addr)
		if entry.Func != name || f.Name != name || f.Entry != entry.Addr {
			t.Errorf("%s is %+v", name, entry)
		}
		if p.variant.name != "PGO" && len(entry.Inlined) > 0 {
			t.Errorf("%s is inlined into %v", name, entry.Inlined)
		}
	}
}
