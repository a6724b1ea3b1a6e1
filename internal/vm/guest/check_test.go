package guest

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netpolltrace/netpolltrace/internal/testprogram"
	"github.com/netpolltrace/netpolltrace/internal/truth"
	"github.com/netpolltrace/netpolltrace/wait"
)

// readinessSeen is how much of readiness the hooks show.
type readinessSeen int

const (
	seesNothing   readinessSeen = iota
	seesSockets                 // sockets to be read, to accept and to connect
	seesEveryEdge               // every descriptor, both ways
)

// exactly is how exact recordings are in an emulated machine: a trap takes it some
// microseconds, and where a processor is taken from a thread between the probe's
// stamp and the trace's, the two are as far apart as its turn is long. That was met
// in one pair of twenty, and in one of nine where a machine has a single processor.
var exactly = truth.Exactness{Between: 40 * time.Microsecond, AtBest: 40 * time.Microsecond, Torn: 0.2}

const tornBeyond = 100 * time.Microsecond

// nearlyAll is of how many waits a part is measured that the hooks show: the
// kernel skips a program where another thread was preempted in the same one. It
// is also how many of a program's reads wait: the answer to one may be there when
// its thread comes to read it.
const nearlyAll = 0.9

// checkComplete: nothing is lost. What the recording says of parts that it lacks
// is no fault here: emulated processors take turns in the middle of anything.
func checkComplete(t *testing.T, r *recording) {
	t.Helper()
	for _, e := range r.Events {
		switch e.Kind {
		case wait.EventLost:
			t.Errorf("lost %d: %s", e.Count, e.Note)
		case wait.EventIncomplete:
			t.Logf("incomplete %d: %s", e.Count, e.Note)
		}
	}
}

// checkAgainstTrace holds the waits against the execution trace that the
// program made of itself.
func checkAgainstTrace(t *testing.T, r *recording, file string, mode wait.Mode) {
	t.Helper()
	traced, err := truth.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	reasons := truth.NetworkReasons()
	if mode == wait.ModeAll {
		reasons = truth.ProgramReasons()
	}
	result := truth.Match(traced, r.Waits, truth.Options{
		Reasons: reasons, TornBeyond: tornBeyond, Tolerance: time.Millisecond, WallClock: truth.WallClock(r.meta),
	})
	t.Logf("\n%v", result)
	if err := errors.Join(result.CheckWaits(), result.CheckTimes(exactly)); err != nil {
		t.Error(err)
	}
}

// checkDescriptors: the program waits on every sort of descriptor.
func checkDescriptors(t *testing.T, r *recording) {
	t.Helper()
	seen := make(map[string]int)
	var unnamed, noStack int
	for _, w := range r.Waits {
		if w.Stack == nil {
			noStack++
		}
		if w.Reason != wait.ReasonIO {
			continue
		}
		if w.FD < 0 || w.Proto == "" {
			unnamed++
		}
		seen[strings.TrimSpace(w.Proto+" "+string(w.Role))+" "+string(w.Op)]++
	}
	for _, want := range []string{
		"tcp dialed read", "tcp dialed write", "tcp accepted read", "unix dialed read", "unix accepted read",
		"udp dialed read", "udp read", "pipe read",
	} {
		if seen[want] == 0 {
			t.Errorf("no wait on %s; there are %v", want, seen)
		}
	}
	if unnamed > 0 || noStack > 0 {
		t.Errorf("of %d waits %d have no descriptor and %d no stack", len(r.Waits), unnamed, noStack)
	}
}

// checkParts: what the hooks show is measured, what they do not is not guessed.
func checkParts(t *testing.T, r *recording, sees readinessSeen) {
	t.Helper()
	parts := make(map[string]*tally)
	for _, w := range r.Waits {
		if w.Kind != wait.KindWait || w.Reason != wait.ReasonIO || w.Outcome != wait.OutcomeReady || w.StartedBefore {
			continue
		}
		count(parts, "sched", w.Sched)
		what := "network of sockets that are read"
		if w.Op == wait.OpWrite {
			what = "network of writes"
		} else if w.Proto == "pipe" {
			what = "network of pipes"
		}
		count(parts, what, w.Network)
		// What was there at the park is known without a hook.
		if sees == seesNothing && w.Network > 0 {
			t.Errorf("%s is %v, which nothing shows", what, w.Network)
		}
	}
	for what, measured := range map[string]bool{
		"sched":                            true,
		"network of sockets that are read": sees >= seesSockets,
		"network of writes":                sees == seesEveryEdge,
		"network of pipes":                 sees == seesEveryEdge,
	} {
		seen := parts[what]
		switch {
		case seen == nil:
			t.Errorf("%s: there are no such waits", what)
		case measured && float64(seen.measured) < nearlyAll*float64(seen.all):
			t.Errorf("%s was measured of %d of %d waits", what, seen.measured, seen.all)
		}
	}
	if _, lacks := r.meta.Unmeasured["network"]; lacks != (sees != seesEveryEdge) {
		t.Errorf("the recording says of network: %q", r.meta.Unmeasured["network"])
	}
}

// tally counts the waits of which a part was measured.
type tally struct{ measured, all int }

func count(parts map[string]*tally, what string, part time.Duration) {
	if parts[what] == nil {
		parts[what] = new(tally)
	}
	parts[what].all++
	if part != wait.Unmeasured {
		parts[what].measured++
	}
}

// checkDelays: each delay that the program made lies in its part. It cannot be
// shorter than the program made it, but for the time until the goroutine
// parked. How long nobody polls is up to the runtime, whose sysmon polls each 10 ms:
// on an emulated machine most replies may come just before that, but not all.
func checkDelays(t *testing.T, r *recording, mode wait.Mode, sees readinessSeen) {
	t.Helper()
	network := func(w *wait.Wait) time.Duration { return w.Network }
	netpoll := func(w *wait.Wait) time.Duration { return w.Netpoll }
	blocked := func(w *wait.Wait) time.Duration { return w.Blocked }
	sched := func(w *wait.Wait) time.Duration { return w.Sched }
	for _, c := range []struct {
		function, part string
		of             func(*wait.Wait) time.Duration
		atLeast        time.Duration
		measured       bool
	}{
		{"main.askNetwork", "network", network, 4 * time.Millisecond, sees != seesNothing},
		{"main.askNetpoll", "network", network, otherDelay * 4 / 5, sees != seesNothing},
		{"main.askNetpoll", "netpoll", netpoll, 0, sees != seesNothing},
		{"main.askQueue", "sched", sched, 8 * time.Millisecond, true},
		{"main.askSched", "blocked", blocked, otherDelay * 4 / 5, true},
		{"main.askSched", "sched", sched, 4 * time.Millisecond, true},
		{"main.askChannel", "blocked", blocked, otherDelay * 4 / 5, mode == wait.ModeAll},
		{"main.askChannel", "sched", sched, 4 * time.Millisecond, mode == wait.ModeAll},
	} {
		got := truth.Median(r.Waits, c.function, func(w *wait.Wait) time.Duration {
			if !c.measured && w.Network == 0 {
				return wait.Unmeasured // it was there at the park, which is known without a hook
			}
			return c.of(w)
		})
		if c.measured && got < c.atLeast {
			t.Errorf("median %s of %s is %v, want at least %v", c.part, c.function, got, c.atLeast)
		}
		if !c.measured && got != wait.Unmeasured {
			t.Errorf("median %s of %s is %v although nothing shows it", c.part, c.function, got)
		}
	}
	late := func(w wait.Wait) bool {
		return w.Stack != nil && w.Stack.Func == "main.askNetpoll" && w.Netpoll >= time.Millisecond
	}
	if sees != seesNothing && !slices.ContainsFunc(r.Waits, late) {
		t.Error("no wait of main.askNetpoll was for the netpoller")
	}
}

// checkEnds: a goroutine of churn serves one end of one connection in its life,
// and wrote down which.
func checkEnds(t *testing.T, r *recording, list string) {
	t.Helper()
	file, err := os.Open(list)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	ends, err := truth.ReadEnds(file)
	if err != nil {
		t.Fatal(err)
	}
	judged, err := ends.Check(r.Waits)
	if err != nil || judged < len(ends)/2 {
		t.Errorf("%d waits were judged, %d goroutines served: %v", judged, len(ends), err)
	}
}

// checkLines: two lines of one function stay two.
func checkLines(t *testing.T, r *recording, did testprogram.Result) {
	t.Helper()
	lengths := make(map[string][]time.Duration)
	for _, w := range r.Waits {
		if w.Kind == wait.KindWait && w.Stack != nil && w.Stack.Func == "main.ask" {
			_, line, _ := strings.Cut(w.Stack.Line, ":")
			lengths[line] = append(lengths[line], w.Total)
		}
	}
	quick, slow := lengths[did["quick_line"]], lengths[did["slow_line"]]
	if len(lengths) != 2 || len(quick) == 0 || len(slow) == 0 {
		t.Fatalf("main.ask waits at the lines %v, want %s and %s", lengths, did["quick_line"], did["slow_line"])
	}
	slices.Sort(slow)
	if middle := slow[len(slow)/2]; middle < 15*time.Millisecond {
		t.Errorf("line %s waited %v, the program made it wait 20ms", did["slow_line"], middle)
	}
}

// checkThreads: every thread's waits are there.
func checkThreads(t *testing.T, r *recording, threads, rounds int) {
	t.Helper()
	byThread := make(map[int32]int)
	all := 0
	for _, w := range r.Waits {
		if w.Kind == wait.KindWait && w.Stack != nil && w.Stack.Func == "main.ask" {
			byThread[w.TID]++
			all++
		}
	}
	if len(byThread) != threads || float64(all) < nearlyAll*float64(threads*rounds) {
		t.Errorf("%d waits on %d threads, the program made %d on %d", all, len(byThread), threads*rounds, threads)
	}
}
