package probes_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/netpolltrace/netpolltrace/gobinary"
	"github.com/netpolltrace/netpolltrace/internal/testprogram"
	"github.com/netpolltrace/netpolltrace/internal/truth"
	"github.com/netpolltrace/netpolltrace/probes"
	"github.com/netpolltrace/netpolltrace/process"
	"github.com/netpolltrace/netpolltrace/wait"
)

// programs is the folder of the test programs that were built: each once.
var programs string

func TestMain(m *testing.M) {
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	var err error
	if programs, err = os.MkdirTemp("", "netpolltrace-probes"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(programs)
	if status := m.Run(); status != 0 {
		return status
	}
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, "left behind:", err)
		return 1
	}
	return 0
}

// plan is what a recording here would hook; the test is skipped where nothing
// can be recorded.
func plan(t *testing.T, mode wait.Mode) *probes.Plan {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("recording needs root")
	}
	chosen, err := probes.Choose(new(probes.Features), mode, "")
	if err != nil {
		t.Skipf("nothing can be recorded here: %v", err)
	}
	return chosen
}

// target is a test program that runs and is looked at.
type target struct {
	*testprogram.Process
	looked *probes.Target
}

// launch builds and starts a test program. It must be well at the end of the
// test.
func launch(t *testing.T, name string, args ...string) *target {
	t.Helper()
	path, err := testprogram.Build{}.Program(t.Context(), name, programs)
	if err != nil {
		t.Fatal(err)
	}
	program, err := testprogram.Start(context.Background(), path, args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := program.Close(); err != nil {
			t.Errorf("the target: %v", err)
		}
	})
	opened, err := process.Open(program.PID())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { opened.Close() })
	binary, err := gobinary.Open(opened.ExePath())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { binary.Close() })
	looked, err := probes.NewTarget(binary, opened)
	if err != nil {
		t.Fatal(err)
	}
	return &target{program, looked}
}

// attach attaches to a target. With adopt it takes over the waits under way.
func (p *target) attach(t *testing.T, chosen *probes.Plan, options probes.Options, adopt bool) *probes.Recorder {
	t.Helper()
	r, err := probes.Attach(p.looked, chosen, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	if adopt {
		snapshot, err := p.looked.Process.Goroutines(p.looked.Binary)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Adopt(snapshot); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// do gives the program a command that must succeed.
func (p *target) do(t *testing.T, command ...string) testprogram.Result {
	t.Helper()
	result, err := p.Do(command...)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// deliver delivers what a recorder records while something is done, and then
// ends.
func (p *target) deliver(t *testing.T, r *probes.Recorder, meanwhile func()) *truth.Gather {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var all truth.Gather
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx, &all) }()
	meanwhile()
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	return &all
}

// number counts the waits for which something holds.
func number(all *truth.Gather, holds func(*wait.Wait) bool) uint64 {
	var n uint64
	for i := range all.Waits {
		if holds(&all.Waits[i]) {
			n++
		}
	}
	return n
}

func finished(w *wait.Wait) bool { return w.Kind == wait.KindWait }
func open(w *wait.Wait) bool     { return w.Kind == wait.KindOpen }

// told sums the events of a kind.
func told(all *truth.Gather, kind wait.EventKind) uint64 {
	var n uint64
	for _, e := range all.Events {
		if e.Kind == kind {
			n += e.Count
		}
	}
	return n
}
