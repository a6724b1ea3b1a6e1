package workload_test

import (
	"bufio"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netpolltrace/netpolltrace/internal/recorder"
	"github.com/netpolltrace/netpolltrace/internal/truth"
	"github.com/netpolltrace/netpolltrace/internal/workload"
	"github.com/netpolltrace/netpolltrace/process"
	"github.com/netpolltrace/netpolltrace/session"
	"github.com/netpolltrace/netpolltrace/wait"
)

const (
	// recorded is two runs of invoices, the rarest of the faults.
	recorded = 2500 * time.Millisecond
	// Of a fault's waits and of their time, so much must be as the table says;
	// the rest is what runs of invoices do to all of them.
	mostWaits = 0.8
	mostTime  = 0.5
)

func TestARecordingShowsTheFaults(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("recording needs root")
	}
	waits := recordShop(t)
	for _, f := range workload.Faults() {
		t.Run(f.Name, func(t *testing.T) { checkRecorded(t, f, waits) })
	}
}

// recordShop runs the workload as the demo does, in a process of its own.
func recordShop(t *testing.T) []wait.Wait {
	shop := exec.CommandContext(t.Context(), os.Args[0])
	shop.Env = append(os.Environ(), asShop+"=1")
	shop.Stderr = os.Stderr
	stdin, err := shop.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := shop.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := shop.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(stdout).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	target, err := process.Open(shop.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	source, err := recorder.Open(recorder.Options{Mode: wait.ModeAll})
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	if _, err := source.Add(target, recorder.TargetOptions{}); err != nil {
		t.Fatal(err)
	}
	var seen truth.Gather
	if err := session.Run(t.Context(), source, &seen, session.Config{Duration: recorded}); err != nil {
		t.Fatal(err)
	}
	stdin.Close()
	if err := shop.Wait(); err != nil {
		t.Error(err)
	}
	return seen.Waits
}

func checkRecorded(t *testing.T, f workload.Fault, waits []wait.Wait) {
	var those, as []wait.Wait
	for _, w := range waits {
		if w.Stack == nil || !onStack(w.Stack, f.In) || f.Peer != "" && w.Peer != f.Peer || w.Reason != f.Reason {
			continue
		}
		if f.Op == wait.OpRead && w.Op == wait.OpConnect {
			continue // sendReceipt does both
		}
		those = append(those, w)
		if w.Op == f.Op && (f.Proto == "" || w.Proto == f.Proto) && w.Role == f.Role && w.Outcome == f.Outcome {
			as = append(as, w)
		}
	}
	if f.Outcome == "" {
		if len(as) != sessions {
			t.Errorf("%d are open, want %d", len(as), sessions)
		}
		return
	}
	if len(as) < 10 || float64(len(as)) < mostWaits*float64(len(those)) {
		t.Fatalf("%d of %d waits in %s are as the table says, such as not: %+v", len(as), len(those), f.In, those[:min(1, len(those))])
	}
	checkPart(t, f, as)
}

func onStack(stack *wait.Stack, function string) bool {
	return slices.ContainsFunc(strings.Split(stack.Funcs, ";"), func(frame string) bool { return strings.HasSuffix(frame, function) })
}

func checkPart(t *testing.T, f workload.Fault, waits []wait.Wait) {
	var part, total time.Duration
	var lengths []time.Duration
	for i := range waits {
		of := partOf(f.Part, &waits[i])
		if of == wait.Unmeasured {
			continue
		}
		part += of
		total += waits[i].Total
		lengths = append(lengths, of)
	}
	if len(lengths) == 0 {
		t.Skipf("%s was not measured here: no hook of this kernel shows when a %s is ready", f.Part, f.Proto)
	}
	slices.Sort(lengths)
	median := lengths[len(lengths)/2]
	t.Logf("%d waits, median %s %v, %v of %v", len(lengths), f.Part, median, part, total)
	if float64(part) < mostTime*float64(total) {
		t.Errorf("%s is %v of %v, want most of it", f.Part, part, total)
	}
	if low := f.Typical * 8 / 10; median < low {
		t.Errorf("median %s is %v, want at least %v", f.Part, median, low)
	}
}

func partOf(part workload.Part, w *wait.Wait) time.Duration {
	switch {
	case part == workload.PartNetwork:
		return w.Network
	case part == workload.PartBlocked:
		return w.Blocked
	case part == workload.PartIdle:
		return w.Idle
	case w.Netpoll == wait.Unmeasured || w.Sched == wait.Unmeasured:
		return wait.Unmeasured
	default:
		return w.Netpoll + w.Sched
	}
}
