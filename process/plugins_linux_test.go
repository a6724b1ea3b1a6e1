package process

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/netpolltrace/netpolltrace/gobinary"
)

func TestMappings(t *testing.T) {
	for line, want := range map[string]mapping{
		"7f0c4a600000-7f0c4a7d3000 r-xp 00026000 08:01 393229                     /lib/libc.so.6": {0x7f0c4a600000, 0x7f0c4a7d3000, 0x26000, "/lib/libc.so.6"},
		"7f0c4a600000-7f0c4a7d3000 r--p 00026000 08:01 393229                     /lib/libc.so.6": {},
		"7ffd0c9c6000-7ffd0c9c8000 r-xp 00000000 00:00 0                          [vdso]":         {},
		"7ffd0c9c6000-7ffd0c9c8000 rwxp 00000000 00:00 0 ":                                        {},
		"":                      {},
		"x-y r-xp z 08:01 1 /a": {},
	} {
		got, ok := parseMapping(line)
		if got != want || ok != (want != mapping{}) {
			t.Errorf("%q: %+v, %v", line, got, ok)
		}
	}
}

// A goroutine that waits in a plugin, and was started with a function of it.
func TestStacksInPlugins(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("the files that another process has mapped are read as root alone")
	}
	p, b := runPlugged(t)
	bias, err := p.Bias(b)
	if err != nil {
		t.Fatal(err)
	}
	symbols := NewSymbolizer(b, bias)
	symbols.UsePlugins(p)
	var stacks []string
	s := await(t, p, b, func(g *Goroutine) bool {
		return g.Reason == "chan receive" && symbols.LinkFunc(g.StartPC) != "runtime.main"
	})
	for _, g := range s {
		if stack := symbols.StackOf(g.PCs); stack != nil {
			stacks = append(stacks, stack.Funcs)
		}
	}
	const plugin = "github.com/netpolltrace/netpolltrace/process/testdata/plugged/hung."
	if len(stacks) != 1 || !strings.HasPrefix(stacks[0], plugin+"Start.gowrap1;"+plugin+"wait;"+plugin+"forNothing;runtime.") {
		t.Errorf("stacks of the goroutines that wait for a channel: %q; want one, from the plugin's go statement on", stacks)
	}
}

// await is the goroutines for which something holds, once there are some.
func await(t *testing.T, p *Process, b *gobinary.Binary, holds func(*Goroutine) bool) (found []Goroutine) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); len(found) == 0; {
		if time.Now().After(deadline) {
			t.Fatal("no such goroutine within a minute")
		}
		s, err := p.Goroutines(b)
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range s.Goroutines {
			if !g.System && holds(&g) {
				found = append(found, g)
			}
		}
	}
	return found
}

// runPlugged runs testdata/plugged until the test is over.
func runPlugged(t *testing.T) (*Process, *gobinary.Binary) {
	t.Helper()
	dir := t.TempDir()
	program, hung := filepath.Join(dir, "plugged"), filepath.Join(dir, "hung.so")
	for _, args := range [][]string{{"-o", program, "."}, {"-buildmode=plugin", "-o", hung, "./hung"}} {
		build := exec.Command("go", append([]string{"build"}, args...)...)
		build.Dir = "testdata/plugged"
		if out, err := build.CombinedOutput(); err != nil {
			if strings.Contains(string(out), "cgo") {
				t.Skipf("plugins take cgo, which is not here: %s", out)
			}
			t.Fatalf("building testdata/plugged: %v\n%s", err, out)
		}
	}
	return watch(t, exec.Command(program, hung))
}
