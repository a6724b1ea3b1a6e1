package session_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/netpolltrace/netpolltrace/internal/testprogram"
	"github.com/netpolltrace/netpolltrace/internal/truth"
	"github.com/netpolltrace/netpolltrace/probes"
	"github.com/netpolltrace/netpolltrace/process"
	"github.com/netpolltrace/netpolltrace/session"
	"github.com/netpolltrace/netpolltrace/wait"
)

// needsRecording skips a test where nothing can be recorded.
func needsRecording(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("recording needs root")
	}
	if _, err := probes.Choose(new(probes.Features), wait.ModeIO, ""); err != nil {
		t.Skipf("nothing can be recorded here: %v", err)
	}
}

// programs is the folder of the test programs that were built: each once.
var programs string

// build builds a test program.
func build(t *testing.T, name string) string {
	t.Helper()
	return buildInto(t, name, programs)
}

func buildInto(t *testing.T, name, dir string) string {
	t.Helper()
	path, err := testprogram.Build{}.Program(t.Context(), name, dir)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// launch builds and starts a test program. It must be well at the end of the
// test, unless the test ends it.
func launch(t *testing.T, name string, args ...string) *testprogram.Process {
	t.Helper()
	needsRecording(t)
	return start(t, build(t, name), args...)
}

func start(t *testing.T, path string, args ...string) *testprogram.Process {
	t.Helper()
	program, err := testprogram.Start(context.Background(), path, args...)
	if err != nil {
		t.Fatal(err)
	}
	return program
}

// closes ends a program that must have come to no harm.
func closes(t *testing.T, program *testprogram.Process) {
	t.Helper()
	if err := program.Close(); err != nil {
		t.Errorf("the target: %v", err)
	}
}

// do gives a program a command that must succeed.
func do(t *testing.T, program *testprogram.Process, command ...string) testprogram.Result {
	t.Helper()
	result, err := program.Do(command...)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// recording is a recording under way, and what it delivered.
type recording struct {
	truth.Gather
	source *probes.Recorder
	meta   *wait.Meta
	heard  chan wait.Event // events as they come; what nobody waits for is dropped
	stop   context.CancelFunc
	ended  chan error
}

// Event implements [wait.Sink].
func (r *recording) Event(e *wait.Event) error {
	select {
	case r.heard <- *e:
	default:
	}
	return r.Gather.Event(e)
}

// await returns once events of a kind counted up to a number.
func (r *recording) await(t *testing.T, kind wait.EventKind, n uint64) {
	t.Helper()
	counted := uint64(0)
	r.hear(t, func(e wait.Event) bool {
		if e.Kind == kind {
			counted += e.Count
		}
		return counted >= n
	})
}

// hear returns once an event is the one that is waited for.
func (r *recording) hear(t *testing.T, is func(wait.Event) bool) {
	t.Helper()
	for {
		select {
		case e := <-r.heard:
			if is(e) {
				return
			}
		case err := <-r.ended:
			t.Fatalf("the recording ended too early: %v", err)
		}
	}
}

// settings are how a test records.
type settings struct {
	mode   wait.Mode
	fresh  bool // the target stands before its first instruction
	follow probes.Follow
	config session.Config
}

// openSource makes a source of processes.
func openSource(s settings, targets ...*process.Process) (*probes.Recorder, error) {
	source, err := probes.Open(probes.Options{Mode: s.mode, Follow: s.follow})
	if err != nil {
		return nil, err
	}
	for _, target := range targets {
		if _, err := source.Add(target, probes.TargetOptions{Fresh: s.fresh}); err != nil {
			return nil, errors.Join(err, source.Close())
		}
	}
	return source, nil
}

// attach begins to record a process.
func attach(t *testing.T, pid int, s settings) *recording {
	t.Helper()
	return record(t, s, open(t, pid))
}

// record begins to record processes.
func record(t *testing.T, s settings, targets ...*process.Process) *recording {
	t.Helper()
	source, err := openSource(s, targets...)
	if err != nil {
		t.Fatal(err)
	}
	s.config.Watch = process.WatchHost
	ctx, stop := context.WithCancel(context.Background())
	r := &recording{
		source: source, meta: source.Meta(), heard: make(chan wait.Event, 1024), stop: stop, ended: make(chan error, 1),
	}
	go func() {
		err := session.Run(ctx, source, r, s.config)
		r.ended <- errors.Join(err, source.Close())
	}()
	t.Cleanup(stop)
	return r
}

// open opens a process for the time of the test.
func open(t *testing.T, pid int) *process.Process {
	t.Helper()
	p, err := process.Open(pid)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// wait waits for the end of a recording that ends by itself.
func (r *recording) wait(t *testing.T) {
	t.Helper()
	if err := <-r.ended; err != nil {
		t.Fatalf("recording: %v", err)
	}
}

// end ends a recording.
func (r *recording) end(t *testing.T) {
	t.Helper()
	r.stop()
	r.wait(t)
}

// complete fails the test if anything was lost.
func (r *recording) complete(t *testing.T) {
	t.Helper()
	losses, _ := r.Losses()
	for _, loss := range losses {
		t.Error(loss)
	}
}

// of are the waits of a kind that a function is waiting in.
func (r *recording) of(kind wait.Kind, function string) []*wait.Wait {
	var waits []*wait.Wait
	for i := range r.Waits {
		if w := &r.Waits[i]; w.Kind == kind && w.Stack != nil && w.Stack.Func == function {
			waits = append(waits, w)
		}
	}
	return waits
}

func scratch(t *testing.T, name string) string { return filepath.Join(t.TempDir(), name) }
