package process

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/netpolltrace/netpolltrace/gobinary"
	"github.com/netpolltrace/netpolltrace/wait"
)

func TestAWrongLayoutIsRefused(t *testing.T) {
	p, b, _ := runWaiters(t, buildWaiters(t, "", nil))
	for _, c := range []struct {
		name  string
		spoil func(*gobinary.Layout)
	}{
		{"goid", func(l *gobinary.Layout) { l.G.Goid += 8 }},
		{"goid, before", func(l *gobinary.Layout) { l.G.Goid -= 8 }},
		{"status", func(l *gobinary.Layout) { l.G.AtomicStatus += 8 }},
		{"status, before", func(l *gobinary.Layout) { l.G.AtomicStatus -= 8 }},
		{"stack", func(l *gobinary.Layout) { l.G.StackLo += 8; l.G.StackHi += 8 }},
		{"sched.sp", func(l *gobinary.Layout) { l.G.SchedSP += 8 }},
		{"m", func(l *gobinary.Layout) { l.G.M += 8 }},
		{"m.procid", func(l *gobinary.Layout) { l.M.ProcID += 8 }},
		{"m.curg", func(l *gobinary.Layout) { l.M.CurG += 8 }},
		{"p.id", func(l *gobinary.Layout) { l.P.ID += 4 }},
		{"pollDesc.fd", func(l *gobinary.Layout) { l.PollDesc.FD += 8 }},
		{"pollDesc.self", func(l *gobinary.Layout) { l.PollDesc.Self -= 8 }},
	} {
		r, err := p.newReader(b)
		if err != nil {
			t.Fatal(err)
		}
		spoilt := *r.layout
		c.spoil(&spoilt)
		r.layout = &spoilt
		s, err := r.snapshot()
		if err == nil {
			t.Errorf("%s: a snapshot of %d goroutines, want an error", c.name, len(s.Goroutines))
			continue
		}
		wantWords(t, c.name, err, "checking the layout of "+b.GoVersion, "use a newer netpolltrace")
	}
	if _, err := p.Goroutines(b); err != nil {
		t.Errorf("the right layout: %v", err)
	}
}

func TestWaitsOfASnapshot(t *testing.T) {
	p, b, v := runWaiters(t, buildWaiters(t, "", nil))
	s, err := p.Goroutines(b)
	if err != nil {
		t.Fatal(err)
	}
	endpoints, err := p.Endpoints()
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1700000000, 0)
	program := &wait.Process{Name: p.Name, PID: int32(p.PID)}
	waits := make(map[uint64]wait.Wait)
	for _, w := range s.Waits(NewSymbolizer(b, 0), endpoints, program, now) {
		waits[w.Goid] = w
	}
	if len(waits) != len(v.Waiters)+1 { // and the main goroutine
		t.Errorf("%d waits, want %d", len(waits), len(v.Waiters)+1)
	}
	for _, want := range v.Waiters {
		w := waits[want.Goid]
		if w.Kind != wait.KindOpen || !w.StartedBefore || w.Start != now.UnixNano() || w.Total != 0 || w.Network != wait.Unmeasured || w.Process != program || w.FD != want.FD {
			t.Errorf("%s: %+v", want.Kind, w)
		}
		if op, idle := expectedOp(want.Kind, want.Write); w.Op != op || (w.Idle == 0) != idle {
			t.Errorf("%s: op %q, idle %v; want %q, idle known: %t", want.Kind, w.Op, w.Idle, op, idle)
		}
		if w.Stack == nil || !strings.HasPrefix(w.Stack.Func, "main.") && want.Kind != "callback" {
			t.Errorf("%s: stack %+v, want the program's own function", want.Kind, w.Stack)
			continue
		}
		root, _, _ := strings.Cut(w.Stack.Funcs, ";")
		if want.Kind != "callback" && want.Kind != "deep" && root != w.StartFunc {
			t.Errorf("%s: started with %s, the stack with %s", want.Kind, w.StartFunc, root)
		}
	}
}

// expectedOp is what a waiter does, and whether it is known, without having seen
// sends, how much of its wait is idle: none of a write, all of what serves
// anybody. Since nothing is known of how long it waits, either is 0.
func expectedOp(kind string, write bool) (op wait.Op, idle bool) {
	switch {
	case strings.HasSuffix(kind, string(wait.RoleListening)):
		return wait.OpAccept, true
	case write:
		return wait.OpWrite, true
	case strings.HasSuffix(kind, string(wait.RoleAccepted)), kind == "udp":
		return wait.OpRead, true
	case strings.HasPrefix(kind, "tcp"), strings.HasPrefix(kind, "udp"), strings.HasPrefix(kind, "unix"), kind == "pipe":
		return wait.OpRead, false
	}
	return "", false
}

func TestStacksThatAreAlikeAreOne(t *testing.T) {
	p, b, _ := runWaiters(t, buildWaiters(t, "", nil, "-buildmode=pie"), "-conns=5")
	s, err := p.Goroutines(b)
	if err != nil {
		t.Fatal(err)
	}
	bias, err := p.Bias(b)
	if err != nil || bias == 0 {
		t.Fatalf("Bias = %#x, %v; want one", bias, err)
	}
	symbols := NewSymbolizer(b, bias)
	stacks := make(map[*wait.Stack]int)
	for _, g := range s.Goroutines {
		stack := symbols.StackOf(g.PCs)
		stacks[stack]++
		for i := range g.PCs {
			g.PCs[i] += bias
		}
		if symbols.Stack(g.PCs) != stack {
			t.Errorf("goroutine %d has two stacks", g.Goid)
		}
		for i := range g.PCs {
			g.PCs[i] -= bias
		}
	}
	if most := slices.Max(values(stacks)); most < 5 {
		t.Errorf("at most %d goroutines share a stack, want 5", most)
	}
}

func values[K comparable](m map[K]int) []int {
	var all []int
	for _, v := range m {
		all = append(all, v)
	}
	return all
}

func TestStatesTellWhatChanged(t *testing.T) {
	p, b, _ := runWaiters(t, buildWaiters(t, "", nil))
	s, err := p.Goroutines(b)
	if err != nil {
		t.Fatal(err)
	}
	layout, err := b.Layout()
	if err != nil {
		t.Fatal(err)
	}
	addrs := []uint64{8} // nothing is there
	for _, g := range s.Goroutines {
		addrs = append(addrs, g.Addr)
	}
	states, err := p.States(layout, addrs)
	if err != nil {
		t.Fatal(err)
	}
	if states[0] != (GState{}) {
		t.Errorf("the state of nothing is %+v", states[0])
	}
	for i, g := range s.Goroutines {
		if got := states[i+1]; g.Status == GWaiting && got != (GState{Status: GWaiting, Goid: g.Goid, WaitReason: g.WaitReason}) {
			t.Errorf("goroutine %d: %+v", g.Goid, got)
		}
	}
}

func TestAProgramThatDoesNotRunYetHasNoGoroutines(t *testing.T) {
	path := buildWaiters(t, "", nil)
	child, err := Start(exec.Command(path))
	if err != nil {
		t.Fatal(err)
	}
	defer child.Wait()
	defer child.Signal(os.Kill)
	p := openProcess(t, child.PID())
	b, err := gobinary.Open(p.ExePath())
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	s, err := p.Goroutines(b)
	if err != nil || len(s.Goroutines) != 0 || s.EpFD != -1 || s.GOMAXPROCS != 0 {
		t.Errorf("Goroutines = %+v, %v; want none", s, err)
	}
}

// TestAProgramInAContainer looks at a program with a root, PIDs, mounts and a
// network of its own.
func TestAProgramInAContainer(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("making namespaces takes root")
	}
	root := t.TempDir()
	path := buildWaiters(t, "", []string{"CGO_ENABLED=0"}, "-ldflags=-s -w")
	if err := os.Rename(path, filepath.Join(root, "app")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/app", "-view", "/view.json", "-up")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Chroot:     root,
		Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWUTS,
	}
	cmd.Dir = "/"
	p, b, v := followWaiters(t, cmd, filepath.Join(root, "view.json"))
	if p.Exe != "/app" || p.Name != "app" || v.PID != 1 {
		t.Errorf("Exe %q, Name %q, its own PID %d; want /app, app, 1", p.Exe, p.Name, v.PID)
	}
	s, err := p.Goroutines(b)
	if err != nil {
		t.Fatal(err)
	}
	compareStacks(t, b, s, v)
	compareDescriptors(t, p, s, v)
}

// events keeps the events that a source emits.
type events []wait.Event

func (e *events) Wait(*wait.Wait) error         { return nil }
func (e *events) Event(event *wait.Event) error { *e = append(*e, *event); return nil }

func TestAWatchReadsOnceMoreAtTheEnd(t *testing.T) {
	running := startOther(t, self(t), "wait")
	p := openProcess(t, running.Process.Pid)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var got events
	if err := p.Watch(WatchConfig{Interval: time.Hour, GOMAXPROCS: 3}).Run(ctx, &got); err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(got, func(e wait.Event) bool { return e.Kind == wait.EventCPU })
	if i < 0 {
		t.Fatalf("events %+v, want one of the CPU time", got)
	}
	if detail := got[i].Detail.(*wait.CPU); detail.GOMAXPROCS != 3 || detail.Online == 0 {
		t.Errorf("the event says %+v", detail)
	}
}

func TestAWatchOutlivesItsProcess(t *testing.T) {
	running := startOther(t, self(t), "wait")
	p := openProcess(t, running.Process.Pid)
	w := p.Watch(WatchConfig{})
	before := w.read()
	running.stdin.Close()
	<-p.Exited()
	running.Wait()
	if got := w.events(before, w.read()); len(got) != 0 {
		t.Errorf("events of a process that is gone: %+v", got)
	}
}
