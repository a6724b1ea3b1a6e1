package workload_test

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netpolltrace/netpolltrace/explain"
	"github.com/netpolltrace/netpolltrace/internal/truth"
	"github.com/netpolltrace/netpolltrace/internal/workload"
	"github.com/netpolltrace/netpolltrace/probes"
	"github.com/netpolltrace/netpolltrace/process"
	"github.com/netpolltrace/netpolltrace/session"
	"github.com/netpolltrace/netpolltrace/wait"
)

const (
	// enough is how many waits of each fault are recorded, patience for how long at
	// most: a busy machine takes longer.
	enough   = 20
	patience = time.Minute
	// Of a fault's waits so many must be as the table says; the rest is what runs of
	// invoices do to all of them.
	mostWaits = 0.8
	// Of so many the part that the table names must be most. Of the others, invoices
	// and whatever else runs on the machine may make it the smaller one.
	undisturbed = 0.5
)

func TestARecordingShowsTheFaults(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("recording needs root")
	}
	waits := recordShop(t)
	things := explained(waits)
	for _, f := range workload.Faults() {
		t.Run(f.Name, func(t *testing.T) {
			checkRecorded(t, f, waits)
			if f.Thing.Kind != "" {
				checkThing(t, f, waits, things)
			}
		})
	}
}

// explained is what each of the waits was for.
func explained(waits []wait.Wait) []wait.Thing {
	explainer := explain.New()
	things := make([]wait.Thing, len(waits))
	for i := range waits {
		things[i] = explainer.Wait(&waits[i]).Thing
	}
	return things
}

// checkThing wants most of the time of a fault's waits to be for what the table says,
// and more of it than for any other holder's sake for the one in the table.
func checkThing(t *testing.T, f workload.Fault, waits []wait.Wait, things []wait.Thing) {
	type holder struct{ function, peer string }
	var all, right time.Duration
	holders := make(map[holder]time.Duration)
	for i := range waits {
		if !isWaitOf(f, &waits[i]) || !isAsTold(f, &waits[i]) {
			continue
		}
		all += waits[i].Blocked
		if thing := things[i]; thing.Kind == f.Thing.Kind && thing.Peer == f.Thing.Peer {
			right += waits[i].Blocked
			holders[holder{thing.HeldByFunc[strings.LastIndexByte(thing.HeldByFunc, '/')+1:], thing.HeldFor}] += waits[i].Blocked
		}
	}
	if float64(right) < mostWaits*float64(all) {
		t.Errorf("%v of %v was for %v", right, all, f.Thing)
	}
	want := holder{f.Thing.HeldByFunc, f.Thing.HeldFor}
	for h, d := range holders {
		if d > holders[want] {
			t.Errorf("it was held for %v by %+v, for %v by %+v", holders[want], want, d, h)
		}
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
	source, err := probes.Open(probes.Options{Mode: wait.ModeAll})
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	if _, err := source.Add(target, probes.TargetOptions{}); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	seen := until{faults: workload.Faults(), seen: make(map[string]int), stop: stop}
	if err := session.Run(ctx, source, &seen, session.Config{Duration: patience}); err != nil {
		t.Fatal(err)
	}
	stdin.Close()
	if err := shop.Wait(); err != nil {
		t.Error(err)
	}
	return seen.Waits
}

// until keeps waits, and ends the recording once there are enough of each fault.
type until struct {
	truth.Gather
	faults []workload.Fault
	seen   map[string]int
	stop   context.CancelFunc
}

// Wait implements [wait.Sink].
func (u *until) Wait(w *wait.Wait) error {
	rare := false
	for _, f := range u.faults {
		if isWaitOf(f, w) && isAsTold(f, w) {
			u.seen[f.Name]++
		}
		rare = rare || f.Outcome != "" && u.seen[f.Name] < enough
	}
	if !rare {
		u.stop()
	}
	return u.Gather.Wait(w)
}

// isWaitOf tells whether a wait is at the place of a fault.
func isWaitOf(f workload.Fault, w *wait.Wait) bool {
	if w.Stack == nil || !onStack(w.Stack, f.In) || f.Peer != "" && w.Peer != f.Peer || w.Reason != f.Reason {
		return false
	}
	return f.Op != wait.OpRead || w.Op != wait.OpConnect // sendReceipt does both
}

// isAsTold tells whether a wait there is what the table says of it.
func isAsTold(f workload.Fault, w *wait.Wait) bool {
	return w.Op == f.Op && (f.Proto == "" || w.Proto == f.Proto) && w.Role == f.Role && w.Outcome == f.Outcome
}

func checkRecorded(t *testing.T, f workload.Fault, waits []wait.Wait) {
	var those, as []wait.Wait
	for _, w := range waits {
		if !isWaitOf(f, &w) {
			continue
		}
		those = append(those, w)
		if isAsTold(f, &w) {
			as = append(as, w)
		}
	}
	if f.Outcome == "" {
		if len(as) != sessions {
			t.Errorf("%d are open, want %d", len(as), sessions)
		}
		return
	}
	if len(as) < enough || float64(len(as)) < mostWaits*float64(len(those)) {
		t.Fatalf("%d of %d waits in %s are as the table says, such as not: %+v", len(as), len(those), f.In, those[:min(1, len(those))])
	}
	checkPart(t, f, as)
}

func onStack(stack *wait.Stack, function string) bool {
	return slices.ContainsFunc(strings.Split(stack.Funcs, ";"), func(frame string) bool { return strings.HasSuffix(frame, function) })
}

func checkPart(t *testing.T, f workload.Fault, waits []wait.Wait) {
	var lengths []time.Duration
	most := 0 // of the waits whose part is most of it
	for i := range waits {
		of := partOf(f.Part, &waits[i])
		if of == wait.Unmeasured {
			continue
		}
		lengths = append(lengths, of)
		if 2*of > waits[i].Total {
			most++
		}
	}
	if len(lengths) == 0 {
		t.Skipf("%s was not measured here: no hook of this kernel shows when a %s is ready", f.Part, f.Proto)
	}
	slices.Sort(lengths)
	median := lengths[len(lengths)/2]
	t.Logf("%d waits, median %s %v, most of %d", len(lengths), f.Part, median, most)
	if float64(most) < undisturbed*float64(len(lengths)) {
		t.Errorf("%s is most of %d waits of %d", f.Part, most, len(lengths))
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
