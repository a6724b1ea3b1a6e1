package wait

import (
	_ "embed"
	"net/url"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// Modules is what an executable says it was made of. The paths are those of Go
// modules, or of folders of packages. The names in JSON are those of a recording.
type Modules struct {
	// Own are the program's own: the main module, and those that were built from
	// a folder (version "(devel)": a workspace's, or replaced by a local path).
	Own []string `json:"own,omitempty"`
	// Libraries are the others.
	Libraries []string `json:"libraries,omitempty"`
	// MainPackage is the import path of the main package; empty when not known.
	MainPackage string `json:"main_package,omitempty"`
	// GOROOT is the folder of the standard library's sources, with a slash at
	// its end, as the compiler recorded it; empty when paths were trimmed.
	GOROOT string `json:"goroot,omitempty"`
}

// Owner is whose code a function is.
type Owner uint8

// The owners of code.
const (
	OwnerStandard Owner = iota // Go's standard library, with assembly and C
	OwnerLibrary               // a module that the program depends on
	OwnerProgram               // the program itself: its own code
)

// Code tells whose code a function is. It goes by the import path of its package:
//
//   - What is in the standard library of some release of Go, by its exact path,
//     is the standard library's.
//   - The modules of the executable say the rest. The longest path counts, since
//     a library's module can lie below the program's.
//   - Without modules (GOPATH, Bazel, Debian) a path without a dot in its first
//     element is the program's own, and what lies in one repository with its
//     main package.
type Code struct {
	modules  Modules
	patterns []string
}

// NewCode makes a Code for an executable. What matches one of the patterns is
// the program's own too: an import path, which stands for all below it, with or
// without "/..." at its end.
func NewCode(modules Modules, patterns []string) *Code {
	c := &Code{modules: modules}
	for _, p := range patterns {
		c.patterns = append(c.patterns, strings.TrimSuffix(strings.TrimSuffix(p, "..."), "/"))
	}
	return c
}

// generatedMain is the file of the main function of a test binary, which the go
// command writes.
const generatedMain = "_testmain.go"

// unnamedPlugin begins the import path of a plugin's main package that was
// built from files instead of by its path; the package of that name itself is the
// standard library's.
const unnamedPlugin = "plugin"

// Owner is whose code a frame's function is.
func (c *Code) Owner(f Frame) Owner {
	pkg := PackagePath(f.Func)
	if pkg == "" || path.Base(f.File) == generatedMain {
		return OwnerStandard
	}
	if _, vendored, ok := cutLast(pkg, "/vendor/"); ok {
		pkg = vendored // of a folder in GOPATH
	} else if pkg == "main" {
		return OwnerProgram
	}
	if below(unnamedPlugin, pkg) && pkg != unnamedPlugin {
		return OwnerProgram
	}
	if slices.ContainsFunc(c.patterns, func(p string) bool { return below(p, pkg) }) {
		return OwnerProgram
	}
	if standardPackages()[pkg] || c.inGOROOT(f) {
		return OwnerStandard
	}
	return c.ofModules(strings.TrimSuffix(pkg, "_test"))
}

func (c *Code) inGOROOT(f Frame) bool {
	return c.modules.GOROOT != "" && strings.HasPrefix(filepath.ToSlash(f.File), c.modules.GOROOT)
}

// ofModules tells whose a package outside of the known standard library is.
func (c *Code) ofModules(pkg string) Owner {
	own, library := longest(c.modules.Own, pkg), longest(c.modules.Libraries, pkg)
	switch {
	case own > library:
		return OwnerProgram
	case library > 0:
		return OwnerLibrary
	case len(c.modules.Own) > 0:
		// Packages of a newer standard library have no dot.
		if dotted(pkg) {
			return OwnerLibrary
		}
		return OwnerStandard
	case !dotted(pkg), below(repository(c.modules.MainPackage), pkg):
		return OwnerProgram
	}
	return OwnerLibrary
}

// longest is the length of the longest of some paths that a package is in; 0
// if it is in none.
func longest(paths []string, pkg string) int {
	most := 0
	for _, p := range paths {
		if below(p, pkg) {
			most = max(most, len(p))
		}
	}
	return most
}

// below tells whether a package is at a path or below it.
func below(p, pkg string) bool {
	rest, ok := strings.CutPrefix(pkg, p)
	return ok && p != "" && (rest == "" || rest[0] == '/')
}

// repository is the part of an import path that names a repository on a code
// host: github.com/OWNER/NAME. It is empty for a path without a host.
func repository(pkg string) string {
	elements := strings.SplitN(pkg, "/", 4)
	if len(elements) < 3 || !dotted(pkg) {
		return ""
	}
	return strings.Join(elements[:3], "/")
}

func cutLast(s, separator string) (before, after string, found bool) {
	if i := strings.LastIndex(s, separator); i >= 0 {
		return s[:i], s[i+len(separator):], true
	}
	return s, "", false
}

// PackagePath is the import path in a function's name: all up to the first dot
// after the last slash. The linker escapes dots in the last element. It is
// empty for a name without a package.
func PackagePath(function string) string {
	if i := strings.IndexByte(function, '['); i >= 0 {
		function = function[:i] // type arguments have slashes of their own
	}
	slash := strings.LastIndexByte(function, '/') + 1
	dot := strings.IndexByte(function[slash:], '.')
	if dot < 0 {
		return ""
	}
	pkg := function[:slash+dot]
	if plain, err := url.PathUnescape(pkg); err == nil {
		return plain
	}
	return pkg
}

// dotted tells whether the first element of an import path has a dot, as the
// paths of modules have and those of the standard library never.
func dotted(pkg string) bool {
	first, _, _ := strings.Cut(pkg, "/")
	return strings.Contains(first, ".")
}

// stdlibText lists the packages of Go's standard library, a line each: those of
// all releases from 1.18 on, for Linux, macOS, FreeBSD and Windows.
//
//go:embed stdlib.txt
var stdlibText string

var standardPackages = sync.OnceValue(func() map[string]bool {
	packages := make(map[string]bool)
	for pkg := range strings.Lines(stdlibText) {
		packages[strings.TrimSuffix(pkg, "\n")] = true
	}
	return packages
})
