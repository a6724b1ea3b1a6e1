package process

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/netpolltrace/netpolltrace/gobinary"
	"github.com/netpolltrace/netpolltrace/internal/testprogram"
	"github.com/netpolltrace/netpolltrace/wait"
)

// view is what testdata/waiters says of itself.
type view struct {
	Waiters []struct {
		Kind        string
		Goid        uint64
		FD          int32
		Write       bool
		Local, Peer string
	}
	Goroutines string
	GOMAXPROCS int
	NumCPU     int
	PID        int
}

// buildWaiters builds testdata/waiters.
func buildWaiters(t testing.TB, toolchain string, env []string, flags ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "waiters")
	build := exec.Command("go", append([]string{"build", "-o", path}, flags...)...)
	build.Dir = "testdata/waiters"
	build.Env = append(os.Environ(), env...)
	if toolchain != "" {
		build.Env = append(build.Env, "GOTOOLCHAIN="+toolchain)
	}
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building testdata/waiters: %v\n%s", err, out)
	}
	return path
}

// runWaiters runs testdata/waiters until the test is over.
func runWaiters(t testing.TB, path string, args ...string) (*Process, *gobinary.Binary, view) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "view.json")
	return followWaiters(t, exec.Command(path, append([]string{"-view", file}, args...)...), file)
}

// followWaiters starts a command that runs testdata/waiters, and reads the view
// that it writes to a file.
func followWaiters(t testing.TB, cmd *exec.Cmd, file string) (*Process, *gobinary.Binary, view) {
	t.Helper()
	p, b := watch(t, cmd)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var v view
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	return p, b, v
}

// watch runs a program until the end of the test, when its standard input is closed,
// and opens it once it has said that it is ready. It must not be harmed.
func watch(t testing.TB, cmd *exec.Cmd) (*Process, *gobinary.Binary) {
	t.Helper()
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		io.Copy(io.Discard, stdout)
		if err := cmd.Wait(); err != nil {
			t.Errorf("the program was harmed: %v", err)
		}
	})
	if line, err := bufio.NewReader(stdout).ReadString('\n'); err != nil || line != "ready\n" {
		t.Fatalf("the program said %q: %v", line, err)
	}
	p, err := Open(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	b, err := gobinary.Open(p.ExePath())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return p, b
}

// dumped is a goroutine in a dump of runtime.Stack.
type dumped struct {
	goid   uint64
	reason string
	frames []string // "func file:line", innermost first
	cut    bool     // the dump left frames out
}

var dumpHead = regexp.MustCompile(`^goroutine (\d+) \[([^],]*)`)

func parseDump(text string) []dumped {
	var all []dumped
	for block := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		lines := strings.Split(block, "\n")
		head := dumpHead.FindStringSubmatch(lines[0])
		goid, _ := strconv.ParseUint(head[1], 10, 64)
		d := dumped{goid: goid, reason: head[2]}
		for i := 1; i+1 < len(lines); i += 2 {
			if strings.HasPrefix(lines[i], "...") || strings.HasPrefix(lines[i], "created by ") {
				break
			}
			name := lines[i][:strings.LastIndex(lines[i], "(")]
			place, _, _ := strings.Cut(strings.TrimSpace(lines[i+1]), " +0x")
			d.frames = append(d.frames, name+" "+place)
		}
		const shown = 40 // of deeper stacks, dumps leave something out
		d.cut = len(d.frames) > shown
		all = append(all, d)
	}
	return all
}

// framesOf are the frames of a goroutine as a dump shows them: without the
// runtime's.
func framesOf(b *gobinary.Binary, g Goroutine) []string {
	s := NewSymbolizer(b, 0).StackOf(g.PCs)
	if s == nil {
		return nil
	}
	lines := strings.Split(s.Lines, ";")
	var frames []string
	for i, f := range slices.Backward(strings.Split(s.Funcs, ";")) {
		if !strings.HasPrefix(f, "runtime.") {
			frames = append(frames, f+" "+lines[i])
		}
	}
	return frames
}

// waitersBuild is a way of building a program that changes what it looks like.
type waitersBuild struct {
	name      string
	toolchain string
	env       []string
	flags     []string
}

var waitersBuilds = []waitersBuild{
	{"static", "", []string{"CGO_ENABLED=0"}, nil},
	{"PIE stripped", "", []string{"CGO_ENABLED=0"}, []string{"-buildmode=pie", "-ldflags=-s -w"}},
	{"stripped", "", []string{"CGO_ENABLED=0"}, []string{"-trimpath", "-ldflags=-s -w"}},
	{"PIE", "", []string{"CGO_ENABLED=0"}, []string{"-buildmode=pie"}},
	{"cgo", "", []string{"CGO_ENABLED=1"}, []string{"-ldflags=-linkmode=external"}},
	{"cgo PIE stripped", "", []string{"CGO_ENABLED=1"}, []string{"-buildmode=pie", "-ldflags=-linkmode=external -s -w"}},
}

func TestTheSnapshotIsWhatTheProgramSaysOfItself(t *testing.T) {
	for _, build := range waitersBuilds {
		t.Run(build.name, func(t *testing.T) {
			if _, err := exec.LookPath("gcc"); err != nil && build.env[0] == "CGO_ENABLED=1" {
				t.Skip("gcc is missing, which builds it")
			}
			checkSnapshot(t, build)
		})
	}
}

// "make test-go" runs it, in two builds or one.
func TestSnapshotsOfReleases(t *testing.T) {
	all := testprogram.Releases(t)
	for _, release := range all {
		for i, build := range waitersBuilds[:2] {
			if i > 0 && testprogram.ExtentOf(release, all) == testprogram.Plain {
				continue
			}
			build.toolchain = release
			t.Run(release+"/"+build.name, func(t *testing.T) { checkSnapshot(t, build) })
		}
	}
}

func checkSnapshot(t *testing.T, build waitersBuild) {
	p, b, v := runWaiters(t, buildWaiters(t, build.toolchain, build.env, build.flags...))
	s, err := p.Goroutines(b)
	if err != nil {
		t.Fatal(err)
	}
	if s.GOMAXPROCS != v.GOMAXPROCS {
		t.Errorf("GOMAXPROCS = %d, want %d", s.GOMAXPROCS, v.GOMAXPROCS)
	}
	compareStacks(t, b, s, v)
	compareDescriptors(t, p, s, v)
}

// compareStacks compares all goroutines but the main one, which goes on.
func compareStacks(t *testing.T, b *gobinary.Binary, s *Snapshot, v view) {
	t.Helper()
	layout, err := b.Layout()
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[uint64]Goroutine)
	for _, g := range s.Goroutines {
		if !g.System {
			got[g.Goid] = g
		}
	}
	dump := parseDump(v.Goroutines)
	if len(got) != len(dump) {
		t.Errorf("%d goroutines, want %d", len(got), len(dump))
	}
	for _, want := range dump {
		g, ok := got[want.goid]
		switch {
		case !ok:
			t.Errorf("goroutine %d [%s] is missing", want.goid, want.reason)
			continue
		case want.goid == 1:
			continue
		case g.Reason != want.reason:
			t.Errorf("goroutine %d: reason %q, want %q", g.Goid, g.Reason, want.reason)
		}
		frames := framesOf(b, g)
		if want.cut {
			if len(g.PCs) != maxDepth {
				t.Errorf("goroutine %d: %d frames, want %d", g.Goid, len(g.PCs), maxDepth)
			}
			const sure = 30 // innermost frames that are shown in any case
			frames, want.frames = frames[:sure], want.frames[:sure]
		}
		if layout.G.SyscallBP == gobinary.NoField && want.reason == reasonSyscall {
			want.frames = want.frames[:1] // up to Go 1.22 no more is known
		}
		if strings.HasPrefix(want.frames[0], "main.waitInGo ") {
			frames, want.frames = frames[:1], want.frames[:1] // as far as to C
		}
		if !slices.Equal(frames, want.frames) {
			t.Errorf("goroutine %d [%s]:\n got %s\nwant %s", g.Goid, want.reason, strings.Join(frames, "\n     "), strings.Join(want.frames, "\n     "))
		}
	}
}

func compareDescriptors(t *testing.T, p *Process, s *Snapshot, v view) {
	t.Helper()
	endpoints, err := p.Endpoints()
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[uint64]Goroutine)
	for _, g := range s.Goroutines {
		got[g.Goid] = g
	}
	for _, want := range v.Waiters {
		g := got[want.Goid]
		if g.FD != want.FD || g.Write != want.Write {
			t.Errorf("%s: goroutine %d waits for fd %d (write: %t), want %d", want.Kind, want.Goid, g.FD, g.Write, want.FD)
			continue
		}
		if want.FD < 0 {
			continue
		}
		socket := endpoints[g.FD]
		proto, role, _ := strings.Cut(want.Kind, " ")
		if socket.Proto != proto || socket.Role != wait.Role(role) {
			t.Errorf("%s: socket %+v", want.Kind, socket)
		}
		if proto == "pipe" {
			if !strings.HasPrefix(socket.Peer, "pipe:[") || socket.Local != socket.Peer {
				t.Errorf("%s: socket %+v", want.Kind, socket)
			}
			continue
		}
		if socket.Local != want.Local || socket.Peer != want.Peer {
			t.Errorf("%s: socket %+v, want %s - %s", want.Kind, socket, want.Local, want.Peer)
		}
	}
}

func TestASnapshotOfABusyProgramHoldsNoNonsense(t *testing.T) {
	p, b, v := runWaiters(t, buildWaiters(t, "", nil), "-work", "-conns=50")
	symbols := NewSymbolizer(b, 0)
	for range 100 {
		s, err := p.Goroutines(b)
		if err != nil {
			t.Fatal(err)
		}
		found := make(map[uint64]bool)
		for _, g := range s.Goroutines {
			if found[g.Goid] {
				t.Fatalf("goroutine %d is there twice", g.Goid)
			}
			found[g.Goid] = true
			checkRoot(t, symbols, g)
		}
		for _, w := range v.Waiters {
			if !found[w.Goid] {
				t.Fatalf("%s: goroutine %d, which only waits, is missing", w.Kind, w.Goid)
			}
		}
	}
}

// checkRoot tells whether a goroutine's stack begins where stacks do.
func checkRoot(t *testing.T, symbols *Symbolizer, g Goroutine) {
	t.Helper()
	if len(g.PCs) < 2 || len(g.PCs) == maxDepth {
		return
	}
	for _, pc := range g.PCs {
		if symbols.LinkFunc(pc-1) == "" {
			t.Errorf("goroutine %d (status %d, %s): %#x is in no function", g.Goid, g.Status, g.Reason, pc)
		}
	}
	root := symbols.LinkFunc(g.PCs[len(g.PCs)-1] - 1)
	if root == cgocallback {
		return
	}
	if root != goexit {
		t.Errorf("goroutine %d (status %d, %s): the stack begins in %s", g.Goid, g.Status, g.Reason, root)
	}
	if start := symbols.LinkFunc(g.PCs[len(g.PCs)-2] - 1); start != symbols.LinkFunc(g.StartPC) {
		t.Errorf("goroutine %d (status %d, %s): the stack begins in %s, the goroutine in %s", g.Goid, g.Status, g.Reason, start, symbols.LinkFunc(g.StartPC))
	}
}
