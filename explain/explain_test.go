package explain_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netpolltrace/netpolltrace/explain"
	"github.com/netpolltrace/netpolltrace/wait"
)

const ms = time.Millisecond

// began is when the recordings of these tests begin.
const began = int64(1_700_000_000_000_000_000)

var program = &wait.Process{Name: "api", PID: 7}

// blocked is a wait from one millisecond to another that a goroutine ended.
func blocked(goid uint64, from, to time.Duration, waker uint64) *wait.Wait {
	w := finished(goid, from, to-from)
	w.WakerGoid, w.Reason, w.Blocked, w.Sched, w.Stack = waker, "chan receive", w.Total, 0, at("main.go", goid)
	return w
}

// network is a wait for a peer: the time until its data, until the runtime
// noticed and until the goroutine ran.
func network(goid uint64, from time.Duration, network, netpoll, sched time.Duration, peer string) *wait.Wait {
	w := finished(goid, from, network+netpoll+sched)
	w.Reason, w.Op, w.Peer, w.Stack = wait.ReasonIO, wait.OpRead, peer, at("conn.go", goid)
	w.Network, w.Netpoll, w.Sched = network, netpoll, sched
	return w
}

func finished(goid uint64, from, total time.Duration) *wait.Wait {
	w := wait.Empty()
	w.Kind, w.Process, w.Goid, w.Start, w.Total = wait.KindWait, program, goid, began+int64(from), total
	return &w
}

// at is a stack whose line is the goroutine's number.
func at(file string, goid uint64) *wait.Stack {
	return &wait.Stack{Line: fmt.Sprintf("%s:%d", file, goid)}
}

// explained is what the last of the waits was for, as text: the cause and its
// milliseconds, the largest first.
func explained(e *explain.Explainer, waits ...*wait.Wait) string {
	var shares []wait.Cause
	for _, w := range waits {
		shares = slices.Clone(e.Wait(w).Causes)
	}
	slices.SortStableFunc(shares, func(a, b wait.Cause) int { return cmp.Compare(b.Time, a.Time) })
	var texts []string
	for _, s := range shares {
		texts = append(texts, fmt.Sprintf("%s %g", s, float64(s.Time)/1e6))
	}
	return strings.Join(texts, ", ")
}

func TestCauses(t *testing.T) {
	timer := blocked(1, 0, 50*ms, 0)
	timer.Reason = "sleep"
	collector := blocked(1, 0, 5*ms, 0)
	collector.Reason = "GC assist wait"
	semaphore := blocked(1, 0, 5*ms, 0)
	semaphore.Reason = "semacquire"
	preempted := func(d time.Duration) func(*wait.Wait) {
		return func(w *wait.Wait) { w.Preempted = d }
	}
	// wokenBy says of the waker of a wait how long it was runnable, when it started
	// and who started it.
	wokenBy := func(preempted, started time.Duration, parent uint64) func(*wait.Wait) {
		return func(w *wait.Wait) { w.WakerPreempted, w.WakerStarted, w.WakerParentGoid = preempted, started, parent }
	}
	const before = wait.Unmeasured // it started before the wait
	for _, test := range []struct {
		name  string
		waits []*wait.Wait
		want  string
	}{
		{"the waker was runnable between its waits", []*wait.Wait{
			network(2, 0, 5*ms, 0, 0, "db:5432"),
			with(network(2, 15*ms, 5*ms, 0, 0, "db:5432"), preempted(4*ms)),
			blocked(1, 0, 20*ms, 2),
		}, "network of db:5432 10, running at conn.go:2 6, sched 4"},
		{"the waker was runnable after its last wait", []*wait.Wait{
			network(2, 0, 5*ms, 0, 0, "db:5432"),
			with(blocked(1, 0, 20*ms, 2), wokenBy(9*ms, before, 0)),
		}, "sched 9, running 6, network of db:5432 5"},
		{"half of the time since the waker's last wait", []*wait.Wait{
			network(2, 0, 5*ms, 0, 0, "db:5432"),
			with(blocked(1, 15*ms, 25*ms, 2), wokenBy(10*ms, before, 0)),
		}, "sched 5, running 5"},
		{"the waker never waited", []*wait.Wait{with(blocked(1, 0, 20*ms, 2), wokenBy(9*ms, before, 0))}, "running 11, sched 9"},
		{"the waker had been started by who waits", []*wait.Wait{with(blocked(1, 0, 20*ms, 2), wokenBy(2*ms, 5*ms, 1))},
			"running 13, sched 7"},
		{"the waker was started meanwhile", []*wait.Wait{
			network(3, 0, 4*ms, 0, 0, "db:5432"),
			with(blocked(1, 0, 20*ms, 2), wokenBy(2*ms, 5*ms, 3)),
		}, "running 14, network of db:5432 4, sched 2"},
		{"nobody knows who started the waker", []*wait.Wait{with(blocked(1, 0, 20*ms, 2), wokenBy(0, 5*ms, 0))}, "running 15, unknown 5"},
		{"the waker's first wait came after its start", []*wait.Wait{
			with(network(2, 10*ms, 8*ms, 0, 0, "db:5432"), preempted(2*ms)),
			with(blocked(1, 0, 20*ms, 2), wokenBy(0, 5*ms, 1)),
		}, "network of db:5432 8, sched 7, running at conn.go:2 3, running 2"},
		{"the waker started before and waited later", []*wait.Wait{
			with(network(2, 10*ms, 8*ms, 0, 0, "db:5432"), preempted(2*ms)),
			with(blocked(1, 0, 20*ms, 2), wokenBy(0, before, 0)),
		}, "running at conn.go:2 8, network of db:5432 8, sched 2, running 2"},
		{"a timer that a goroutine ran", []*wait.Wait{
			network(2, 0, 20*ms, 0, 0, "db:5432"),
			with(blocked(1, 0, 20*ms, 2), func(w *wait.Wait) { w.ByTimer = true }),
		}, "timer 20"},
		{"a timer", []*wait.Wait{timer}, "timer 50"},
		{"the garbage collector", []*wait.Wait{collector}, "gc 5"},
		{"nobody knows who ended it", []*wait.Wait{semaphore}, "unknown 5"},
		{"a caller and the reader of its connection", []*wait.Wait{
			network(2, 0, 20*ms, 2*ms, 1*ms, "shipping:80"),
			blocked(1, 0, 24*ms, 2),
		}, "network of shipping:80 20, netpoll of shipping:80 2, sched 1, running 1"},
		{"it began later than the reader's wait", []*wait.Wait{
			network(2, 0, 20*ms, 0, 0, "shipping:80"),
			blocked(1, 15*ms, 20*ms, 2),
		}, "network of shipping:80 5"},
		{"it began while the reader read something else", []*wait.Wait{
			network(2, 0, 10*ms, 0, 0, "users:80"),
			network(2, 12*ms, 8*ms, 0, 0, "shipping:80"),
			blocked(1, 5*ms, 20*ms, 2),
		}, "network of shipping:80 8, network of users:80 5, running at conn.go:2 2"},
		{"two hands further", []*wait.Wait{
			network(3, 0, 30*ms, 0, 0, "db:5432"),
			blocked(2, 2*ms, 30*ms, 3),
			blocked(1, 4*ms, 31*ms, 2),
		}, "network of db:5432 26, running 1"},
		{"the waker ran all the time", []*wait.Wait{
			network(2, 0, 1*ms, 0, 0, "db:5432"),
			blocked(1, 10*ms, 30*ms, 2),
		}, "running 20"},
		{"the waker was not seen before", []*wait.Wait{blocked(1, 0, 7*ms, 99)}, "running 7"},
		{"the waker's first wait was in between", []*wait.Wait{
			network(2, 10*ms, 10*ms, 0, 0, "db:5432"),
			blocked(1, 0, 20*ms, 2),
		}, "unknown 10, network of db:5432 10"},
		{"the waker's wait was for a timer", []*wait.Wait{
			with(blocked(2, 0, 9*ms, 0), func(w *wait.Wait) { w.Reason = "sleep" }),
			blocked(1, 1*ms, 9*ms, 2),
		}, "timer 8"},
		{"who shares its waker with others", []*wait.Wait{
			network(3, 0, 6*ms, 0, 0, "db:5432"),
			blocked(1, 0, 6*ms, 3),
			blocked(2, 3*ms, 6*ms, 3),
		}, "network of db:5432 3"},
		{"two that wake each other", []*wait.Wait{
			blocked(1, 0, 2*ms, 2),
			blocked(2, 2*ms, 4*ms, 1),
			blocked(1, 4*ms, 6*ms, 2),
		}, "running 2"},
		{"it woke itself", []*wait.Wait{blocked(1, 0, 2*ms, 1)}, "timer 2"},
		{"a wait for a peer has parts of its own", []*wait.Wait{network(1, 0, ms, 0, 0, "db:5432")}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := explained(explain.New(), test.waits...); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

// A wait of seconds whose waker waited thousands of times meanwhile: the last
// segments are exact, the sums of what came before them are right to the wait.
func TestAWaitAcrossManyOfItsWaker(t *testing.T) {
	e := explain.New()
	const trips = 10_000
	for i := range time.Duration(trips) {
		e.Wait(network(2, i*ms, ms*8/10, ms/10, 0, "db:5432")) // and runs for the rest
	}
	long := blocked(1, 0, trips*ms, 2)
	got := map[string]time.Duration{}
	var sum time.Duration
	for _, s := range e.Wait(long).Causes {
		got[string(s.Kind)] += s.Time
		sum += s.Time
	}
	if sum != long.Blocked {
		t.Errorf("the shares add up to %v of %v", sum, long.Blocked)
	}
	for kind, want := range map[string]time.Duration{"network": 8000 * ms, "netpoll": 1000 * ms, "running": 1000 * ms} {
		if d := (got[kind] - want).Abs(); d > 2*ms {
			t.Errorf("%s is %v, want %v", kind, got[kind], want)
		}
	}
	// One that begins half way has half of each: between checkpoints it is told
	// by its share.
	half := blocked(3, trips/2*ms, trips*ms, 2)
	for _, s := range e.Wait(half).Causes {
		if s.Kind == wait.CauseNetwork && (s.Time-4000*ms).Abs() > 80*ms {
			t.Errorf("the second half's network is %v, want 4s", s.Time)
		}
	}
}

// A wait across many of its waker's, each for another peer: what is left of those
// that are too many are their kinds.
func TestAWaitAcrossManyPeersOfItsWaker(t *testing.T) {
	e := explain.New()
	const peers = 100
	for i := range time.Duration(peers) {
		e.Wait(network(2, i*ms, ms*8/10, ms/10, ms/10, fmt.Sprintf("peer-%d:80", i)))
	}
	got := make(map[wait.CauseKind]time.Duration)
	for _, c := range e.Wait(blocked(1, 0, peers*ms, 2)).Causes {
		got[c.Kind] += c.Time
	}
	want := map[wait.CauseKind]time.Duration{wait.CauseNetwork: 80 * ms, wait.CauseNetpoll: 10 * ms, wait.CauseSched: 10 * ms}
	for kind, d := range got {
		if (d - want[kind]).Abs() > ms/10 {
			t.Errorf("%s is %v, want %v", kind, d, want[kind])
		}
	}
}

// Whatever comes in whatever order, shares add up to the blocked part.
func TestSharesAddUp(t *testing.T) {
	e := explain.New()
	state := uint64(1)
	next := func(n uint64) uint64 {
		state = state*6364136223846793005 + 1442695040888963407
		return (state >> 33) % n
	}
	for range 200_000 {
		from := time.Duration(next(1000)) * ms
		length := time.Duration(next(50)) * ms
		w := blocked(next(40), from, from+length, next(40))
		if next(2) == 0 {
			w = network(next(40), from, length, time.Duration(next(3))*ms, time.Duration(next(3))*ms, fmt.Sprintf("peer-%d:1", next(30)))
		}
		var sum time.Duration
		for _, s := range e.Wait(w).Causes {
			if s.Time <= 0 {
				t.Fatalf("%v has %v", s, s.Time)
			}
			sum += s.Time
		}
		if sum != max(w.Blocked, 0) {
			t.Fatalf("the shares of %+v add up to %v", w, sum)
		}
	}
}

// causesOf keeps what the waits that it is handed were for.
type causesOf struct{ last []wait.Cause }

func (c *causesOf) Wait(w *wait.Wait) error {
	c.last = slices.Clone(w.Explanation.Causes)
	return nil
}

func (c *causesOf) Event(*wait.Event) error { return nil }

// A recording in which nobody sees who ends a wait has no use for histories: none
// is kept until a process is recorded in another mode.
func TestStageOfAModeWithoutWakers(t *testing.T) {
	var seen causesOf
	stage := explain.NewStage(&seen)
	show := func(w *wait.Wait) string {
		t.Helper()
		if err := stage.Wait(w); err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(seen.last)
	}
	change := func(d wait.Detail) {
		t.Helper()
		if err := stage.Event(&wait.Event{Kind: d.EventKind(), Detail: d}); err != nil {
			t.Fatal(err)
		}
	}
	caller := func() string {
		show(network(2, 0, 20*ms, 0, 0, "db:5432"))
		return show(blocked(1, 0, 20*ms, 2))
	}
	expired := blocked(3, 0, 5*ms, 0)
	expired.Reason = wait.ReasonIO

	stage.Begin(&wait.Meta{Targets: []wait.Target{{Mode: wait.ModeIO}, {Mode: wait.ModeSample}}})
	if got := show(expired); got != "[timer]" {
		t.Errorf("an expired deadline: %s", got)
	}
	if got := caller(); got != "[running]" {
		t.Errorf("a history was kept: %s", got)
	}
	change(&wait.ModeChange{Mode: wait.ModeIO})
	if got := caller(); got != "[running]" {
		t.Errorf("a history was kept: %s", got)
	}
	change(&wait.TargetChange{State: wait.TargetJoined, Target: &wait.Target{Mode: wait.ModeAll}})
	if got := caller(); got != "[network of db:5432]" {
		t.Errorf("after one joined in mode all: %s", got)
	}
	stage.Begin(&wait.Meta{Targets: []wait.Target{{Mode: wait.ModeIO}, {Mode: wait.ModeAll}}})
	if got := caller(); got != "[network of db:5432]" {
		t.Errorf("one of two in mode all: %s", got)
	}
}

func TestGoroutinesOfTwoProcesses(t *testing.T) {
	e := explain.New()
	other := network(2, 0, 10*ms, 0, 0, "of another process:1")
	other.Process = &wait.Process{Name: "worker", PID: 8}
	if got := explained(e, other, blocked(1, 0, 10*ms, 2)); got != "running 10" {
		t.Errorf("got %s, as if goroutine 2 of another process had ended it", got)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	e := explain.New()
	for goid := range uint64(200_000) {
		e.Wait(network(goid+1, time.Duration(goid)*ms, ms, 0, 0, "db:5432"))
	}
	if forgotten := e.Stats().Forgotten; forgotten < 150_000 {
		t.Errorf("%d of 200,000 goroutines were forgotten", forgotten)
	}
}

func BenchmarkExplainer(b *testing.B) {
	for _, goroutines := range []int{10, 1000, 10_000} {
		b.Run(fmt.Sprintf("goroutines=%d", goroutines), func(b *testing.B) {
			e := explain.New()
			stacks := make([]*wait.Stack, 100) // which many goroutines share
			for i := range stacks {
				stacks[i] = at("main.go", uint64(i))
			}
			waits := make([]*wait.Wait, 0, 2*goroutines)
			for g := range goroutines {
				reader := network(uint64(2*g+1), 0, 9*ms, ms/10, ms/10, fmt.Sprintf("peer-%d:80", g%20))
				caller := blocked(uint64(2*g+2), 0, 10*ms, uint64(2*g+1))
				reader.Stack, caller.Stack = stacks[g%len(stacks)], stacks[(g+1)%len(stacks)]
				waits = append(waits, reader, caller)
			}
			b.ReportAllocs()
			i, at := 0, int64(0)
			for b.Loop() {
				w := waits[i]
				w.Start = began + at
				e.Wait(w)
				if i++; i == len(waits) {
					i, at = 0, at+int64(11*ms)
				}
			}
		})
	}
}
