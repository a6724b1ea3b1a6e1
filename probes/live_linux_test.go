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

// features are what is known of this machine.
var features = new(probes.Features)

// needsRecording skips a test where nothing can be recorded.
func needsRecording(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("recording needs root")
	}
	if _, err := probes.Choose(features, wait.ModeAll, ""); err != nil {
		t.Skipf("nothing can be recorded here: %v", err)
	}
}

// target is a test program that runs and is opened.
type target struct {
	*testprogram.Process
	opened *process.Process
	binary *gobinary.Binary
}

// build builds a test program.
func build(t *testing.T, name string) string {
	t.Helper()
	path, err := testprogram.Build{}.Program(t.Context(), name, programs)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// launch builds and starts a test program. It must be well at the end of the
// test.
func launch(t *testing.T, name string, args ...string) *target {
	t.Helper()
	return start(t, name, true, args...)
}

// launchMortal is launch for a program that the test ends.
func launchMortal(t *testing.T, name string) *target {
	t.Helper()
	return start(t, name, false)
}

func start(t *testing.T, name string, well bool, args ...string) *target {
	t.Helper()
	needsRecording(t)
	program, err := testprogram.Start(context.Background(), build(t, name), args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := program.Close(); err != nil && well {
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
	return &target{program, opened, binary}
}

// openRecorder opens a recorder of no process.
func openRecorder(t *testing.T, options probes.Options) *probes.Recorder {
	t.Helper()
	needsRecording(t)
	if options.Features == nil {
		options.Features = features
	}
	r, err := probes.Open(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// add has a recorder record a target.
func (p *target) add(t *testing.T, r *probes.Recorder, options probes.TargetOptions) *wait.Target {
	t.Helper()
	added, err := r.Add(p.opened, options)
	if err != nil {
		t.Fatal(err)
	}
	return added
}

// attach records a target alone. With adopt it takes over the waits under way.
func (p *target) attach(t *testing.T, mode wait.Mode, limits probes.Limits, adopt bool) *probes.Recorder {
	t.Helper()
	r := openRecorder(t, probes.Options{Mode: mode, Limits: limits})
	p.add(t, r, probes.TargetOptions{Fresh: !adopt})
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
func deliver(t *testing.T, r *probes.Recorder, meanwhile func()) *truth.Gather {
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

// statesOf lists what was told to have become of a process.
func statesOf(all *truth.Gather, pid int) []wait.TargetState {
	var states []wait.TargetState
	for _, e := range all.Events {
		if change, ok := e.Detail.(*wait.TargetChange); ok && int(e.Process.PID) == pid {
			states = append(states, change.State)
		}
	}
	return states
}
