package testprogram

import (
	"go/version"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// releasesVar names the releases of Go to test with, buildsVar how many builds to
// try with each: "few", or all if it is empty.
const (
	releasesVar = "NETPOLLTRACE_GO_VERSIONS"
	buildsVar   = "NETPOLLTRACE_BUILDS"
	few         = "few"
)

// Releases are the releases of Go that NETPOLLTRACE_GO_VERSIONS names, such as
// "1.18.10 1.26.8", as toolchains: go1.18.10, ... The go command downloads those
// that are not there. Where it names none the test is skipped.
func Releases(t testing.TB) []string {
	t.Helper()
	if builds := os.Getenv(buildsVar); builds != "" && builds != few {
		t.Fatalf("%s is %q: it may be %s, or empty for all", buildsVar, builds, few)
	}
	var releases []string
	for name := range strings.FieldsSeq(os.Getenv(releasesVar)) {
		if !version.IsValid("go" + name) {
			t.Fatalf("%s: %q is no release of Go", releasesVar, name)
		}
		releases = append(releases, "go"+name)
	}
	if len(releases) == 0 {
		t.Skipf("%s is empty: it lists the releases of Go to test with", releasesVar)
	}
	return releases
}

// Extent is in how many builds a release is tried. Each includes those before it.
type Extent int

// The extents.
const (
	Plain   Extent = iota // one build
	Targets               // one build for each system and CPU
	Usual                 // those in which the compiler makes the same of the runtime
	Whole                 // all
)

// ExtentOf is how a release is tried among others. Of several patch releases of one
// version the newest is tried in all builds, the others in one for each target. Where
// NETPOLLTRACE_BUILDS is "few", the newest of all is tried in the usual builds and the
// others in the plain one.
func ExtentOf(release string, all []string) Extent {
	switch {
	case os.Getenv(buildsVar) == few && release == slices.MaxFunc(all, version.Compare):
		return Usual
	case os.Getenv(buildsVar) == few:
		return Plain
	case slices.ContainsFunc(all, func(other string) bool {
		return version.Lang(other) == version.Lang(release) && version.Compare(other, release) > 0
	}):
		return Targets
	}
	return Whole
}

// Variant is a kind of build that is common in production.
type Variant struct {
	Name string
	// Usual tells that the compiler makes the same of the runtime in all of these.
	Usual bool
	since string // the first release of Go that can
	cgo   bool   // takes a C compiler
	flags []string
	// profile is that of -pgo, within netpolltrace's source tree.
	profile string
}

// Variants are those that recordings are held against the truth of, the plain
// one first.
var Variants = []Variant{
	{Name: "static", Usual: true},
	{Name: "PIE", Usual: true, flags: []string{"-buildmode=pie"}},
	{Name: "cgo", Usual: true, cgo: true, flags: []string{"-ldflags=-linkmode=external"}},
	{Name: "stripped", Usual: true, flags: []string{"-ldflags=-s -w"}},
	{Name: "race", cgo: true, flags: []string{"-race"}},
	{Name: "PGO of a server", since: "go1.21", profile: "gobinary/testdata/server.pgo"},
	{Name: "PGO of channels", since: "go1.21", profile: "internal/truth/testdata/channels.pgo"},
}

// CompilerFor is the C compiler for an architecture.
func CompilerFor(arch string) string {
	if arch == runtime.GOARCH {
		return "gcc"
	}
	return crossCompilers[arch]
}

// Slug is the name as one word.
func (v Variant) Slug() string { return strings.ReplaceAll(v.Name, " ", "_") }

// With tells whether a release of Go can build the variant.
func (v Variant) With(release string) bool { return version.Compare(release, v.since) >= 0 }

// crossCompilers are those for another architecture than this machine's, as
// Debian calls them.
var crossCompilers = map[string]string{"arm64": "aarch64-linux-gnu-gcc", "amd64": "x86_64-linux-gnu-gcc"}

// Build is how to build the variant with a release of Go for an architecture. The
// test is skipped where it takes a C compiler that is not there.
func (v Variant) Build(t testing.TB, release, arch string) Build {
	t.Helper()
	b := Build{Go: release, Flags: v.flags, Env: []string{"GOARCH=" + arch, "CGO_ENABLED=0"}}
	if v.cgo {
		compiler := CompilerFor(arch)
		if _, err := exec.LookPath(compiler); err != nil {
			t.Skipf("%s is missing, which builds %s", compiler, v.Name)
		}
		b.Env = append(b.Env, "CGO_ENABLED=1", "CC="+compiler)
	}
	if v.profile != "" {
		root, err := moduleRoot(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		b.Flags = append(slices.Clone(b.Flags), "-pgo="+filepath.Join(root, v.profile))
	}
	return b
}

// VariantNames are the names of [Variants].
func VariantNames() []string {
	var names []string
	for _, v := range Variants {
		names = append(names, v.Name)
	}
	return names
}
