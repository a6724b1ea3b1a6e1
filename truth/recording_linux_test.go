package truth_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/netpolltrace/netpolltrace/probes"
	"github.com/netpolltrace/netpolltrace/process"
	"github.com/netpolltrace/netpolltrace/session"
	"github.com/netpolltrace/netpolltrace/testprogram"
	"github.com/netpolltrace/netpolltrace/truth"
	"github.com/netpolltrace/netpolltrace/wait"
)

// These tests hold recordings of real programs against what the programs know
// of themselves.

const (
	enoughMatched = 0.999
	// Sums may differ by one per cent, or by what the probes themselves take:
	// they stamp before the park and after the resume, two traps and the trace's
	// own two events further apart.
	sumTolerance  = 0.01
	probesBetween = 4 * time.Microsecond
)

// launch builds and starts a test program that is ended with the test.
func launch(t *testing.T, name string, args ...string) *testprogram.Process {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("recording needs root")
	}
	path, err := testprogram.Build{}.Program(t.Context(), name, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	program, err := testprogram.Start(t.Context(), path, args...)
	if err != nil {
		t.Fatal(err)
	}
	return program
}

// recording is what a session saw of a program.
type recording struct {
	truth.Gather
	meta wait.Meta
}

// record attaches to a program, gives it commands, and detaches when they are
// done. It returns the result of the last.
func record(t *testing.T, program *testprogram.Process, mode probes.Mode, commands ...[]string) (*recording, testprogram.Result) {
	t.Helper()
	target, err := process.Open(program.PID())
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	s, err := session.Open(target, session.Config{Mode: mode, Limits: probes.DefaultOptions()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	r := &recording{meta: *s.Meta()}
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, &r.Gather) }()
	var result testprogram.Result
	for _, command := range commands {
		if result, err = program.Do(command...); err != nil {
			t.Error(err)
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	for _, e := range r.Events {
		if e.Kind == wait.EventLost {
			t.Errorf("lost %d: %s", e.Count, e.Note)
		}
	}
	return r, result
}

func TestARecordingIsTrue(t *testing.T) {
	file := filepath.Join(t.TempDir(), "trace")
	for _, program := range []struct {
		name          string
		args, command []string
	}{
		{name: "truthful", command: []string{"run", "100", file}},
		{name: "echo", args: []string{"-trace", file}, command: []string{"run", "1s"}},
	} {
		for mode, reasons := range map[probes.Mode][]string{
			probes.ModeIO:  truth.NetworkReasons(),
			probes.ModeAll: truth.ProgramReasons(),
		} {
			t.Run(program.name+" in mode "+string(mode), func(t *testing.T) {
				target := launch(t, program.name, program.args...)
				defer target.Close()
				r, _ := record(t, target, mode, program.command)
				compare(t, r, file, reasons)
			})
		}
	}
}

func compare(t *testing.T, r *recording, file string, reasons []string) {
	traced, err := truth.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	result := truth.Match(traced, r.Waits, truth.Options{
		Reasons: reasons, Tolerance: time.Millisecond, WallClock: truth.WallClock(r.meta),
	})
	t.Logf("\n%v", result)
	if result.Matched() < enoughMatched || len(result.WrongReason) > 0 {
		t.Errorf("%.3f %% of the waits matched, %d of them with another reason", 100*result.Matched(), len(result.WrongReason))
	}
	for name, part := range map[string]truth.Part{"total": result.Total, "until runnable": result.Until} {
		allowed := time.Duration(sumTolerance*float64(part.Trace)) + time.Duration(part.Measured())*probesBetween
		if (part.Ours - part.Trace).Abs() > allowed {
			t.Errorf("%s: the sum is %v, the trace's %v", name, part.Ours, part.Trace)
		}
	}
}

// The trace does not tell how a wait ended; the program does.
func TestHowWaitsEnd(t *testing.T) {
	for _, mode := range []probes.Mode{probes.ModeIO, probes.ModeAll} {
		t.Run(string(mode), func(t *testing.T) {
			program := launch(t, "truthful")
			defer program.Close()
			r, did := record(t, program, mode, []string{"run", "30"})
			seen := make(map[wait.Outcome]int)
			for _, w := range r.Waits {
				seen[w.Outcome]++
			}
			for _, outcome := range []wait.Outcome{wait.OutcomeTimeout, wait.OutcomeInterrupted, wait.OutcomeClosed} {
				if atLeast, _ := strconv.Atoi(did[string(outcome)]); seen[outcome] < atLeast || atLeast == 0 {
					t.Errorf("%d waits ended as %s, the program knows of %d; there are %v", seen[outcome], outcome, atLeast, seen)
				}
			}
		})
	}
}

// median is that of one part of the waits that have a function on their stack,
// of those where it was measured.
func median(waits []wait.Wait, function string, part func(*wait.Wait) time.Duration) time.Duration {
	var values []time.Duration
	for i := range waits {
		w := &waits[i]
		if w.Kind != wait.KindWait || w.Stack == nil || !slices.Contains(strings.Split(w.Stack.Funcs, ";"), function) {
			continue
		}
		if value := part(w); value != wait.Unmeasured {
			values = append(values, value)
		}
	}
	if len(values) == 0 {
		return wait.Unmeasured
	}
	slices.Sort(values)
	return values[len(values)/2]
}

func TestKnownDelaysLandInTheirPart(t *testing.T) {
	network := func(w *wait.Wait) time.Duration { return w.Network }
	netpoll := func(w *wait.Wait) time.Duration { return w.Netpoll }
	blocked := func(w *wait.Wait) time.Duration { return w.Blocked }
	sched := func(w *wait.Wait) time.Duration { return w.Sched }
	commands := [][]string{{"network", "20"}, {"netpoll", "20"}, {"queue", "10"}, {"sched", "20"}, {"channel", "20"}}
	for _, mode := range []probes.Mode{probes.ModeIO, probes.ModeAll} {
		program := launch(t, "delays")
		r, _ := record(t, program, mode, commands...)
		program.Close()
		for _, c := range []struct {
			function, part string
			of             func(*wait.Wait) time.Duration
			atLeast        time.Duration
			onlyAll        bool
		}{
			{function: "main.askNetwork", part: "network", of: network, atLeast: 5 * time.Millisecond},
			{function: "main.askNetpoll", part: "network", of: network, atLeast: time.Millisecond},
			{function: "main.askNetpoll", part: "netpoll", of: netpoll, atLeast: 2 * time.Millisecond},
			{function: "main.askQueue", part: "sched", of: sched, atLeast: 10 * time.Millisecond},
			{function: "main.askSched", part: "blocked", of: blocked, atLeast: time.Millisecond},
			{function: "main.askSched", part: "sched", of: sched, atLeast: 5 * time.Millisecond},
			{function: "main.askChannel", part: "blocked", of: blocked, atLeast: time.Millisecond, onlyAll: true},
			{function: "main.askChannel", part: "sched", of: sched, atLeast: 5 * time.Millisecond, onlyAll: true},
		} {
			if c.onlyAll && mode != probes.ModeAll {
				continue
			}
			// A delay that the program made cannot be shorter than it made it,
			// but for the time until the goroutine parked.
			if got := median(r.Waits, c.function, c.of); got < c.atLeast*9/10 {
				t.Errorf("mode %s: median %s of %s is %v, want at least %v", mode, c.part, c.function, got, c.atLeast)
			}
		}
	}
}

func TestTwoLinesOfOneFunctionStayTwo(t *testing.T) {
	program := launch(t, "twolines")
	defer program.Close()
	r, did := record(t, program, probes.ModeIO, []string{"run", "30"})
	lengths := make(map[string][]time.Duration)
	for _, w := range r.Waits {
		if w.Stack != nil && w.Stack.Func == "main.ask" {
			_, line, _ := strings.Cut(w.Stack.Line, ":")
			lengths[line] = append(lengths[line], w.Total)
		}
	}
	if len(lengths) != 2 {
		t.Fatalf("main.ask waits at %d lines, want 2: %v", len(lengths), lengths)
	}
	quick, slow := lengths[did["quick_line"]], lengths[did["slow_line"]]
	if len(quick) == 0 || len(slow) == 0 || slices.Min(slow) < 19*time.Millisecond || slices.Min(quick) > 19*time.Millisecond {
		t.Errorf("line %s waited %v, line %s %v", did["quick_line"], quick, did["slow_line"], slow)
	}
}

// A goroutine of churn serves one end of one connection in its life. What was
// reused must not be mistaken for what it was before.
func TestReusedDescriptorsAreNotMistaken(t *testing.T) {
	program := launch(t, "churn")
	defer program.Close()
	log := filepath.Join(t.TempDir(), "log")
	r, _ := record(t, program, probes.ModeIO, []string{"run", "5000", log})
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	type end struct{ fd, role, local, peer string }
	served := make(map[string]end)
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		served[words[0]] = end{words[1], words[2], words[3], words[4]}
	}
	checked, wrong := 0, 0
	for _, w := range r.Waits {
		want, ok := served[strconv.FormatUint(w.Goid, 10)]
		if !ok || w.Op != wait.OpRead || w.Kind != wait.KindWait {
			continue
		}
		checked++
		got := end{strconv.Itoa(int(w.FD)), string(w.Role), w.Local, w.Peer}
		if got != want {
			if wrong++; wrong <= 5 {
				t.Errorf("goroutine %d waited for %v, it served %v", w.Goid, got, want)
			}
		}
	}
	if checked < 5000 || wrong > 0 {
		t.Errorf("%d of %d waits name another end than their goroutine served", wrong, checked)
	}
}

func TestIdleConnectionsAreAllThere(t *testing.T) {
	const conns = 1000
	program := launch(t, "idle", "-conns", strconv.Itoa(conns))
	defer program.Close()
	r, _ := record(t, program, probes.ModeIO)
	open := make(map[string]int)
	for _, w := range r.Waits {
		if w.Kind == wait.KindOpen && w.StartedBefore && w.Peer != "" && w.Stack != nil {
			open[w.Stack.Func+" "+string(w.Role)]++
		}
	}
	for _, who := range []string{"main.readDialed dialed", "main.readAccepted accepted"} {
		if open[who] != conns {
			t.Errorf("%d open waits of %s, want %d; there are %v", open[who], who, conns, open)
		}
	}
}
