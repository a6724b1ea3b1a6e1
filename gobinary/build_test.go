package gobinary

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// variant is a way to build testdata/server.
type variant struct {
	name  string
	args  []string // of go build
	env   []string // besides the test's own
	cgo   bool
	needs string // a program without which it cannot be built
	// small: it is testdata/small that is built, not testdata/server.
	small bool
	// unusual variants are tried only with releases that are tried in all builds.
	unusual bool
}

var (
	strip    = "-ldflags=-s -w"
	external = "-ldflags=-linkmode=external"
	stripExt = "-ldflags=-linkmode=external -s -w"
	pie      = "-buildmode=pie"
)

// variants are the builds that are met in production.
var variants = []variant{
	{name: "static"},
	{name: "static stripped", args: []string{strip}},
	{name: "trimmed", args: []string{"-trimpath", strip}, unusual: true},
	{name: "PIE", args: []string{pie}},
	{name: "PIE stripped", args: []string{pie, strip}, unusual: true},
	{name: "cgo", args: []string{external}, cgo: true, needs: "gcc"},
	{name: "cgo stripped", args: []string{stripExt}, cgo: true, needs: "gcc", unusual: true},
	{name: "cgo PIE", args: []string{pie, external}, cgo: true, needs: "gcc", unusual: true},
	{name: "cgo PIE stripped", args: []string{pie, stripExt}, cgo: true, needs: "gcc", unusual: true},
	{name: "PGO", args: []string{"-pgo=../server.pgo"}, unusual: true},
	{name: "race", args: []string{"-race"}, cgo: true, needs: "gcc", unusual: true},
	{name: "debug", args: []string{"-gcflags=all=-N -l"}, unusual: true},
	{name: "v3", env: []string{"GOAMD64=v3"}, unusual: true},
	{name: "arm64", env: []string{"GOARCH=arm64"}},
	{name: "arm64 PIE stripped", args: []string{pie, strip}, env: []string{"GOARCH=arm64"}, unusual: true},
	{name: "macOS amd64", env: []string{"GOOS=darwin", "GOARCH=amd64"}, unusual: true},
	{name: "macOS amd64 stripped", args: []string{strip}, env: []string{"GOOS=darwin", "GOARCH=amd64"}, unusual: true},
	{name: "macOS arm64", env: []string{"GOOS=darwin", "GOARCH=arm64"}},
	{name: "macOS arm64 stripped", args: []string{strip}, env: []string{"GOOS=darwin", "GOARCH=arm64"}, unusual: true},
	{name: "FreeBSD amd64", env: []string{"GOOS=freebsd", "GOARCH=amd64"}},
	{name: "FreeBSD amd64 stripped", args: []string{strip}, env: []string{"GOOS=freebsd", "GOARCH=amd64"}, unusual: true},
	{name: "FreeBSD arm64", env: []string{"GOOS=freebsd", "GOARCH=arm64"}, unusual: true},
	{name: "FreeBSD arm64 stripped", args: []string{strip}, env: []string{"GOOS=freebsd", "GOARCH=arm64"}, unusual: true},
}

// runs tells whether this machine can run the variant.
func (v variant) runs() bool {
	return v.system() == runtime.GOOS && v.arch() == runtime.GOARCH
}

// system is the operating system that the variant is for.
func (v variant) system() string { return v.setting("GOOS", "linux") }

// arch is the architecture that the variant is for.
func (v variant) arch() string { return v.setting("GOARCH", runtime.GOARCH) }

// setting is a variable of the variant's environment.
func (v variant) setting(name, otherwise string) string {
	for _, e := range v.env {
		if value, ok := strings.CutPrefix(e, name+"="); ok {
			return value
		}
	}
	return otherwise
}

// inlines tells whether the compiler inlined calls.
func (v variant) inlines() bool { return v.name != "debug" }

// stripped tells whether the variant has no symbol table.
func (v variant) stripped() bool { return strings.Contains(strings.Join(v.args, " "), "-s -w") }

// toolchain is a release of Go; the empty one is that of the test.
type toolchain string

func (c toolchain) env() []string {
	if c == "" {
		return nil
	}
	return []string{"GOTOOLCHAIN=" + string(c)}
}

// program is a built variant.
type program struct {
	variant variant
	go_     toolchain
	path    string
}

// builds remembers what was built, for all tests.
var builds struct {
	dir   string
	mutex sync.Mutex
	made  map[string]func() (string, error)
}

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "gobinary")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	builds.dir, builds.made = dir, make(map[string]func() (string, error))
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// build makes a variant of testdata/server, once.
func build(t testing.TB, v variant, c toolchain) program {
	t.Helper()
	if v.needs != "" {
		if _, err := exec.LookPath(v.needs); err != nil {
			t.Skipf("%s is missing, which builds %s", v.needs, v.name)
		}
	}
	key := strings.ReplaceAll(v.name+string(c), " ", "-")
	if v.small {
		key += "-small"
	}
	builds.mutex.Lock()
	make, ok := builds.made[key]
	if !ok {
		make = sync.OnceValues(func() (string, error) { return goBuild(v, c, filepath.Join(builds.dir, key)) })
		builds.made[key] = make
	}
	builds.mutex.Unlock()
	path, err := make()
	if err != nil {
		t.Fatal(err)
	}
	return program{v, c, path}
}

func goBuild(v variant, c toolchain, out string) (string, error) {
	cmd := exec.Command("go", append(append([]string{"build", "-buildvcs=false", "-o", out}, v.args...), ".")...)
	cmd.Dir = filepath.Join("testdata", "server")
	if v.small {
		cmd.Dir = filepath.Join("testdata", "small")
	}
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=", "CGO_ENABLED=0", "GOOS="+v.system(),
		"GODEBUG=goindex=0") // the index of Go 1.19 may miss a package in the root of its module
	if v.cgo {
		cmd.Env = append(cmd.Env, "CGO_ENABLED=1")
	}
	cmd.Env = append(append(cmd.Env, v.env...), c.env()...)
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building %s: %w\n%s", v.name, err, text)
	}
	return out, nil
}

// open opens a program until the test ends.
func (p program) open(t testing.TB) *Binary {
	t.Helper()
	b, err := Open(p.path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// answer is what the program says of itself.
type answer struct {
	Main          uint64
	Stack, Sample []struct {
		PC         uint64
		Func, File string
		Line       int
	}
}

func (p program) run(t *testing.T) answer {
	t.Helper()
	out, err := exec.Command(p.path).Output()
	if err != nil {
		t.Fatalf("running %s: %v", p.variant.name, err)
	}
	var a answer
	if err := json.Unmarshal(out, &a); err != nil {
		t.Fatal(err)
	}
	if len(a.Stack) < 4 || len(a.Sample) < 1000 {
		t.Fatalf("%s describes %d frames and %d addresses only", p.variant.name, len(a.Stack), len(a.Sample))
	}
	return a
}

// goroot is where the standard library's sources are that built the program.
func (c toolchain) goroot(t testing.TB) string {
	t.Helper()
	cmd := exec.Command("go", "env", "GOROOT")
	cmd.Env = append(os.Environ(), c.env()...)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(bytes.TrimSpace(out))
}

// eachVariant runs a test on each variant of the local toolchain.
func eachVariant(t *testing.T, test func(*testing.T, program)) {
	for _, v := range variants {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			test(t, build(t, v, ""))
		})
	}
}
