package gobinary

import (
	"debug/buildinfo"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/netpolltrace/netpolltrace/wait"
)

// stdlib tells the functions of the standard library from all others.
type stdlib struct {
	modules []string // module paths without a dot in their first element
	known   bool     // the executable says which modules it was made of
	src     string   // GOROOT/src/ as the compiler recorded it; empty with -trimpath
}

// runtimeFile is where, below GOROOT/src, runtime.main is.
const runtimeFile = "runtime/proc.go"

// newStdlib takes the modules from the build information and the place of
// GOROOT from the file of runtime.main.
func newStdlib(info *buildinfo.BuildInfo, runtimeMain string) stdlib {
	s := stdlib{known: info.Main.Path != "" || len(info.Deps) > 0}
	if src, ok := strings.CutSuffix(filepath.ToSlash(runtimeMain), runtimeFile); ok {
		s.src = src
	}
	if path := info.Main.Path; path != "" && !dotted(path) {
		s.modules = append(s.modules, path)
	}
	for _, m := range info.Deps {
		if !dotted(m.Path) {
			s.modules = append(s.modules, m.Path)
		}
	}
	return s
}

// Stdlib tells whether a frame is of Go's standard library, its vendored
// packages and the runtime's assembly included. It goes by the function's
// package: import paths of modules have a dot in their first element, or the
// executable names the module. Where it names none (GOPATH, Bazel) the file
// decides, and where that was trimmed too, the names of the library's folders.
func (b *Binary) Stdlib(f wait.Frame) bool { return b.stdlib.has(f) }

func (s stdlib) has(f wait.Frame) bool {
	pkg := packagePath(f.Func)
	if pkg == "" { // assembly and C: gogo, crosscall2
		return true
	}
	if pkg == "main" || dotted(pkg) {
		return false
	}
	for _, m := range s.modules {
		if rest, ok := strings.CutPrefix(pkg, m); ok && (rest == "" || rest[0] == '/') {
			return false
		}
	}
	if s.known {
		return true
	}
	if s.src != "" && f.File != "" && filepath.IsAbs(f.File) {
		return strings.HasPrefix(f.File, s.src)
	}
	first, _, _ := strings.Cut(pkg, "/")
	return stdlibRoots[first]
}

// stdlibRoots are the first elements of the import paths of Go's standard
// library, for executables that say nothing of their modules.
var stdlibRoots = map[string]bool{
	"archive": true, "bufio": true, "builtin": true, "bytes": true, "cmp": true,
	"compress": true, "container": true, "context": true, "crypto": true,
	"database": true, "debug": true, "embed": true, "encoding": true,
	"errors": true, "expvar": true, "flag": true, "fmt": true, "go": true,
	"hash": true, "html": true, "image": true, "index": true, "internal": true,
	"io": true, "iter": true, "log": true, "maps": true, "math": true,
	"mime": true, "net": true, "os": true, "path": true, "plugin": true,
	"reflect": true, "regexp": true, "runtime": true, "simd": true,
	"slices": true, "sort": true, "strconv": true, "strings": true,
	"structs": true, "sync": true, "syscall": true, "testing": true,
	"text": true, "time": true, "unicode": true, "unique": true,
	"unsafe": true, "uuid": true, "vendor": true, "weak": true,
}

// packagePath is the import path in a function's name: all up to the first dot
// after the last slash. The linker escapes dots in the last element. It is
// empty for a name without a package.
func packagePath(name string) string {
	if i := strings.IndexByte(name, '['); i >= 0 {
		name = name[:i] // type arguments have slashes of their own
	}
	slash := strings.LastIndexByte(name, '/') + 1
	dot := strings.IndexByte(name[slash:], '.')
	if dot < 0 {
		return ""
	}
	pkg := name[:slash+dot]
	if plain, err := url.PathUnescape(pkg); err == nil {
		return plain
	}
	return pkg
}

// dotted tells whether the first element of an import path has a dot, which
// those of the standard library never have.
func dotted(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return strings.Contains(first, ".")
}
