package dtrace_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/netpolltrace/netpolltrace/gobinary"
	"github.com/netpolltrace/netpolltrace/internal/testprogram"
	"github.com/netpolltrace/netpolltrace/internal/truth"
	dtrace "github.com/netpolltrace/netpolltrace/kqueue_dtrace"
	"github.com/netpolltrace/netpolltrace/wait"
)

// These tests record live programs under DTrace for Linux, with the scripts of
// macOS and FreeBSD but for the system call that waits for events. "make
// test-dtrace" runs them.

// dtraceVar is the command that starts it.
const dtraceVar = "NETPOLLTRACE_DTRACE"

// command is DTrace's, or the test is skipped.
func command(t *testing.T) []string {
	t.Helper()
	words := strings.Fields(os.Getenv(dtraceVar))
	if len(words) == 0 {
		t.Skipf("%s is empty: it is the command that starts DTrace for Linux; make test-dtrace installs it", dtraceVar)
	}
	return words
}

// program builds a program that DTrace for Linux can attach to: it must be
// linked dynamically, at a fixed address.
func program(t *testing.T, name string) string {
	t.Helper()
	build := testprogram.Build{Flags: []string{"-ldflags=-linkmode=external"}, Env: []string{"CGO_ENABLED=1"}}
	path, err := build.Program(t.Context(), name, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// recording is what a source told.
type recording struct {
	truth.Gather
	source *dtrace.Source
}

// record attaches to a program, gives it commands and detaches.
func record(t *testing.T, path string, p *testprogram.Process, mode wait.Mode, commands ...[]string) (*recording, testprogram.Result) {
	t.Helper()
	binary, err := gobinary.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer binary.Close()
	source, err := dtrace.Open(t.Context(), dtrace.Config{
		Binary: binary, Process: wait.Process{Name: filepath.Base(path), PID: int32(p.PID())}, Mode: mode, Command: command(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	r := &recording{source: source}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- source.Run(ctx, &r.Gather) }()
	var result testprogram.Result
	for _, command := range commands {
		if result, err = p.Do(command...); err != nil {
			t.Error(err)
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := source.Close(); err != nil {
		t.Error(err)
	}
	for _, e := range r.Events {
		if e.Kind == wait.EventLost || e.Kind == wait.EventIncomplete {
			t.Logf("%s %d: %s", e.Kind, e.Count, e.Note)
		}
	}
	return r, result
}

// modes are those of scripts, with the trace's reasons that they see.
var modes = map[wait.Mode][]string{
	wait.ModeIO:  truth.NetworkReasons(),
	wait.ModeAll: truth.ProgramReasons(),
}

// The goals of a recording by DTrace at a moderate load: this share of all waits
// is matched one to one with the execution trace, and the sums of their lengths
// are this near. The parts are judged by their medians: they begin and end at other
// instants than the trace's, by what the probes of a batch of events take.
const (
	matched  = 0.99
	near     = 0.02
	partNear = 100 * time.Microsecond
	// tornBeyond is by how much the two sides of one wait may differ before
	// something else ran between their two instants.
	tornBeyond = 200 * time.Microsecond
)

func TestRecordingsUnderDTraceAreTrue(t *testing.T) {
	command(t)
	path := program(t, "truthful")
	for mode, reasons := range modes {
		t.Run(string(mode), func(t *testing.T) {
			p, err := testprogram.Start(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			file := filepath.Join(t.TempDir(), "trace")
			r, did := record(t, path, p, mode, []string{"run", "100", file})
			traced, err := truth.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			result := truth.Match(traced, r.Waits, truth.Options{
				Reasons: reasons, TornBeyond: tornBeyond, Tolerance: time.Millisecond, WallClock: truth.WallClock(*r.source.Meta()),
			})
			t.Logf("\n%v", result)
			if share := result.Matched(); share < matched {
				t.Errorf("%.2f %% of the waits are matched, want %.0f", 100*share, 100*matched)
			}
			if off := result.Total.OffWhole(); off > near || off < -near {
				t.Errorf("the sum of all waits is %.1f %% off, want at most %.0f", 100*off, 100*near)
			}
			for part, p := range map[string]*truth.Part{"until runnable": &result.Until, "sched": &result.Sched} {
				if off := p.Difference(0.5).Abs(); off > partNear {
					t.Errorf("%s: the median is %v off, want at most %v", part, off, partNear)
				}
			}
			if err := truth.CheckOutcomes(r.Waits, did); err != nil {
				t.Error(err)
			}
		})
	}
}

// small has a script use buffers that overflow, and count its records by itself,
// in an aggregation, of which nothing is dropped: dtrace prints it when it ends.
var small = strings.NewReplacer("bufsize=8m", "bufsize=64k", "switchrate=20hz", "switchrate=2hz",
	"printf(", "@records = count(); printf(")

// counted is the number of records that such a script counted.
var counted = regexp.MustCompile(`\n +([0-9]+)\s*$`)

func TestDropsAreCountedExactly(t *testing.T) {
	words := command(t)
	path := program(t, "echo")
	p, err := testprogram.Start(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	binary, err := gobinary.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer binary.Close()
	dir := t.TempDir()
	file := filepath.Join(dir, "script.d")
	if err := os.WriteFile(file, []byte(small.Replace(script(t, binary, wait.ModeAll).Text)), 0o644); err != nil {
		t.Fatal(err)
	}
	saved, err := os.Create(filepath.Join(dir, "output"))
	if err != nil {
		t.Fatal(err)
	}
	defer saved.Close()
	var said bytes.Buffer // apart: the two would come in the middle of each other's lines
	words = append(words, "-q", "-s", file, "-p", strconv.Itoa(p.PID()))
	tracer := exec.CommandContext(t.Context(), words[0], words[1:]...)
	tracer.Stdout, tracer.Stderr = saved, &said
	if err := tracer.Start(); err != nil {
		t.Fatal(err)
	}
	// A recording is under way once this much came: the program does nothing else.
	await(t, saved.Name())
	for size := int64(0); size < 1000; {
		if _, err := p.Do("run", "100ms"); err != nil {
			t.Fatal(err)
		}
		info, err := saved.Stat()
		if err != nil {
			t.Fatal(err)
		}
		size = info.Size()
	}
	if _, err := p.Do("run", "1s"); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(tracer.Process.Signal(syscall.SIGTERM), tracer.Wait()); err != nil {
		t.Fatal(err)
	}
	output, err := os.ReadFile(saved.Name())
	if err != nil {
		t.Fatal(err)
	}
	m := counted.FindSubmatch(output)
	if m == nil {
		t.Fatalf("the script did not tell how many records there were: %s", output[max(0, len(output)-600):])
	}
	total, err := strconv.Atoi(string(m[1]))
	if err != nil {
		t.Fatal(err)
	}
	printed := bytes.Count(output, []byte("\nNPT1 "))
	source, err := dtrace.Replay(io.MultiReader(bytes.NewReader(output), &said), dtrace.Config{Binary: binary, Process: wait.Process{Name: "echo"}})
	if err != nil {
		t.Fatal(err)
	}
	var g truth.Gather
	if err := source.Run(t.Context(), &g); err != nil {
		t.Fatal(err)
	}
	dropped := 0
	for _, e := range g.Events {
		if e.Kind == wait.EventLost && strings.Contains(e.Note, "DTrace dropped") {
			dropped += int(e.Count)
		}
	}
	t.Logf("%d records: %d printed, %d dropped", total, printed, dropped)
	if dropped == 0 || printed+dropped != total {
		t.Errorf("%d records were printed and %d dropped, of %d", printed, dropped, total)
	}
}

// compile has DTrace check a script without running it: its grammar, and the names
// and types of what it uses. That the probes exist on its system is not checked.
func compile(t *testing.T, text string, pid int) error {
	t.Helper()
	file := filepath.Join(t.TempDir(), "script.d")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	words := append(command(t), "-L", "testdata/registers", "-e", "-Z", "-s", file, "-p", strconv.Itoa(pid))
	said, err := exec.CommandContext(t.Context(), words[0], words[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, said)
	}
	return nil
}

// An offset into a function is one of the script's own executable.
var ownOffset = regexp.MustCompile(`(?m)^(pid\$target:a\.out:runtime\.[a-z]+):[0-9a-f]+$`)

func TestScriptsOfOtherSystemsCompile(t *testing.T) {
	command(t)
	p, err := testprogram.Start(t.Context(), program(t, "idle"))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	files, err := filepath.Glob("testdata/golden/*.d")
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no scripts: %v", err)
	}
	var text string
	for _, file := range files {
		golden, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text = ownOffset.ReplaceAllString(string(golden), "$1:0")
		if err := compile(t, text, p.PID()); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
	if compile(t, strings.Replace(text, "timestamp", "timestampp", 1), p.PID()) == nil {
		t.Error("a variable that does not exist was not noticed")
	}
}
