package guest

import (
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/netpolltrace/netpolltrace/internal/testprogram"
	"github.com/netpolltrace/netpolltrace/internal/truth"
	"github.com/netpolltrace/netpolltrace/probes"
	"github.com/netpolltrace/netpolltrace/wait"
)

// The ways to put probes into a program.
const (
	uprobeMulti = "uprobe_multi"
	perfEvents  = "perf events"
)

// backends says what each backend takes, and what of readiness it shows.
var backends = []struct {
	name  probes.Backend
	takes []string // ways of which at least these must be there
	// everyEdge: the readiness of every descriptor, not of sockets alone.
	everyEdge bool
}{
	{probes.BackendFentry, []string{"fexit do_epoll_wait", "fentry ep_poll_callback", "fentry tcp_sendmsg"}, true},
	{probes.BackendKprobe, []string{"kprobe and kretprobe do_epoll_wait", "kprobe ep_poll_callback", "kprobe tcp_sendmsg"}, true},
	{probes.BackendTracepoint, []string{"tracepoint sys_exit"}, false},
}

const socketTracepoints = "tracepoints sk_data_ready and inet_sock_set_state (sockets: reads, accepts, connects)"

// Each backend by itself records what programs know of themselves.
func TestBackends(t *testing.T) {
	needsMachine(t)
	for _, b := range backends {
		t.Run(string(b.name), func(t *testing.T) {
			for _, way := range b.takes {
				if !has(way) {
					t.Skipf("this kernel has no %s", way)
				}
			}
			sees := seesNothing
			switch {
			case b.everyEdge:
				sees = seesEveryEdge
			case has(socketTracepoints):
				sees = seesSockets
			}
			recordAll(t, probes.Options{Backend: b.name, Features: known}, sees)
		})
	}
}

// Either way to put probes into a program records the same, also where the
// machine would choose the other.
func TestUprobes(t *testing.T) {
	needsMachine(t)
	for _, way := range []struct{ name, other string }{{uprobeMulti, perfEvents}, {perfEvents, uprobeMulti}} {
		t.Run(way.name, func(t *testing.T) {
			if !has(way.name) {
				t.Skipf("this kernel has no %s", way.name)
			}
			options := probes.Options{Features: features(t, way.other)}
			for _, mode := range []wait.Mode{wait.ModeIO, wait.ModeAll} {
				t.Run(string(mode), func(t *testing.T) {
					options.Mode = mode
					recordTruthful(t, options, seesEveryEdge)
				})
			}
			t.Run("threads", func(t *testing.T) { recordThreads(t, options) })
		})
	}
}

// Readiness can come from each of its sources, whatever the other hooks are.
func TestReadiness(t *testing.T) {
	needsMachine(t)
	const byFentry, byKprobe = "fentry ep_poll_callback", "kprobe ep_poll_callback"
	for _, source := range []struct {
		name    string
		way     string
		refused []string
		sees    readinessSeen
	}{
		{"every edge", byFentry, []string{byKprobe, socketTracepoints}, seesEveryEdge},
		{"every edge", byKprobe, []string{byFentry, socketTracepoints}, seesEveryEdge},
		{"sockets", socketTracepoints, []string{byFentry, byKprobe}, seesSockets},
		{"none", "none", []string{byFentry, byKprobe, socketTracepoints}, seesNothing},
	} {
		t.Run(source.name+"/"+source.way, func(t *testing.T) {
			if !has(source.way) {
				t.Skipf("this kernel has no %s", source.way)
			}
			recordTruthful(t, probes.Options{Mode: wait.ModeIO, Features: features(t, source.refused...)}, source.sees)
		})
	}
}

// recordAll records every program that knows something of itself.
func recordAll(t *testing.T, options probes.Options, sees readinessSeen) {
	for _, mode := range []wait.Mode{wait.ModeIO, wait.ModeAll} {
		options.Mode = mode
		t.Run(string(mode), func(t *testing.T) {
			t.Run("waits", func(t *testing.T) { recordTruthful(t, options, sees) })
			t.Run("split", func(t *testing.T) { recordDelays(t, options, sees) })
		})
	}
	options.Mode = wait.ModeIO
	t.Run("peers", func(t *testing.T) { recordChurn(t, options) })
	t.Run("stacks", func(t *testing.T) { recordTwoLines(t, options) })
}

func recordTruthful(t *testing.T, options probes.Options, sees readinessSeen) {
	program := launch(t, "truthful")
	defer program.Close()
	checkParts(t, checkTruthful(t, program, options), sees)
}

// checkTruthful records the program truthful and holds that against what it knows
// of itself.
func checkTruthful(t *testing.T, program *testprogram.Process, options probes.Options) *recording {
	t.Helper()
	file := filepath.Join(t.TempDir(), "trace")
	r, did := record(t, program, options, []string{"run", "30", file})
	t.Logf("%q", r.meta.Probes)
	checkAgainstTrace(t, r, file, options.Mode)
	if err := truth.CheckOutcomes(r.Waits, did[0]); err != nil {
		t.Error(err)
	}
	checkDescriptors(t, r)
	return r
}

// otherDelay of the program delays: to send and to park takes an emulated machine
// some hundred microseconds of it.
const otherDelay = 4 * time.Millisecond

func recordDelays(t *testing.T, options probes.Options, sees readinessSeen) {
	program := launch(t, "delays", "-delay", otherDelay.String())
	defer program.Close()
	r, _ := record(t, program, options,
		[]string{"network", "10"}, []string{"netpoll", "10"}, []string{"queue", "20"}, []string{"sched", "10"}, []string{"channel", "10"})
	checkDelays(t, r, options.Mode, sees)
}

func recordChurn(t *testing.T, options probes.Options) {
	log := filepath.Join(t.TempDir(), "log")
	program := launch(t, "churn")
	defer program.Close()
	r, _ := record(t, program, options, []string{"run", "500", log})
	checkEnds(t, r, log)
}

func recordTwoLines(t *testing.T, options probes.Options) {
	program := launch(t, "twolines")
	defer program.Close()
	r, did := record(t, program, options, []string{"run", "10"})
	checkLines(t, r, did[0])
}

func recordThreads(t *testing.T, options probes.Options) {
	const threads, rounds = 32, 10
	options.Mode = wait.ModeIO
	program := launch(t, "threads", "-threads", strconv.Itoa(threads))
	defer program.Close()
	r, _ := record(t, program, options, []string{"run", strconv.Itoa(rounds)})
	checkThreads(t, r, threads, rounds)
}
