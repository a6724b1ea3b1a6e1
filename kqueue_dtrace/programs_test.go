package dtrace_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/netpolltrace/netpolltrace/gobinary"
)

// target is what a program is built for.
type target struct {
	system, arch string
	release      string // of Go; empty for the one in use
	stripped     bool
}

func (t target) String() string {
	name := t.system + "-" + t.arch + t.release
	if t.stripped {
		name += "-stripped"
	}
	return name
}

// systems are those that scripts are made for.
var systems = []target{
	{system: "darwin", arch: "amd64"}, {system: "darwin", arch: "arm64"},
	{system: "freebsd", arch: "amd64"}, {system: "freebsd", arch: "arm64"},
}

// builds remembers what was built.
var builds struct {
	dir   string
	mutex sync.Mutex
	made  map[target]func() (string, error)
}

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "kqueue_dtrace")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	builds.dir, builds.made = dir, make(map[target]func() (string, error))
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// open builds a program that waits in the netpoller, once, and opens it.
func (g target) open(t testing.TB) *gobinary.Binary {
	t.Helper()
	builds.mutex.Lock()
	build, ok := builds.made[g]
	if !ok {
		build = sync.OnceValues(g.build)
		builds.made[g] = build
	}
	builds.mutex.Unlock()
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	b, err := gobinary.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func (g target) build() (string, error) {
	path := filepath.Join(builds.dir, g.String())
	args := []string{"build", "-buildvcs=false", "-o", path}
	if g.stripped {
		args = append(args, "-ldflags=-s -w")
	}
	cmd := exec.Command("go", append(args, ".")...)
	cmd.Dir = filepath.Join("..", "gobinary", "testdata", "small")
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=", "CGO_ENABLED=0", "GOOS="+g.system, "GOARCH="+g.arch,
		"GODEBUG=goindex=0") // the index of Go 1.19 may miss a package in the root of its module
	if g.release != "" {
		cmd.Env = append(cmd.Env, "GOTOOLCHAIN="+g.release)
	}
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building for %v: %w\n%s", g, err, strings.TrimSpace(string(text)))
	}
	return path, nil
}
