package truth

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/netpolltrace/netpolltrace/wait"
)

// Result is what [Match] found.
type Result struct {
	Pairs   []Pair
	Missing []Wait      // in the trace only
	Extra   []wait.Wait // in the recording only
	// WrongReason are those of the pairs whose reasons do not agree.
	WrongReason []Pair
	// Edge counts what lay across a bound or too near to it to be judged.
	Edge int
	// Skipped counts our finished waits of reasons that were not to be judged.
	Skipped map[string]int
	// The parts of the pairs. Until is from park to runnable: network, netpoll
	// and blocked together, where all of them were measured.
	Total, Until, Sched Part

	clockError time.Duration
	tornBeyond time.Duration
	preempted  int
}

// Part compares one part of all pairs of which it was measured.
type Part struct {
	Trace, Ours time.Duration // sums
	// Torn are the pairs whose two sides were torn apart ([Options.TornBeyond]) or
	// have no times of their own in the trace ([Wait.Squeezed]), and their sums,
	// which are part of those above.
	Torn                int
	TornTrace, TornOurs time.Duration
	differences         []time.Duration
}

func newResult(t *Trace, o Options) *Result {
	return &Result{Skipped: make(map[string]int), clockError: t.ClockError, tornBeyond: o.TornBeyond, preempted: o.Preempted}
}

func (r *Result) addPair(p Pair) {
	r.Pairs = append(r.Pairs, p)
	if !sameReason(&p.Trace, &p.Ours) {
		r.WrongReason = append(r.WrongReason, p)
	}
	t := p.Trace
	r.Total.add(t.Running-t.Park, p.Ours.Total, t.Squeezed, r.tornBeyond)
	r.Until.add(t.Runnable-t.Park, untilRunnable(&p.Ours), t.Squeezed, r.tornBeyond)
	r.Sched.add(t.Running-t.Runnable, p.Ours.Sched, t.Squeezed, r.tornBeyond)
}

// untilRunnable is unmeasured unless the wait was split as it should be: either
// in network and netpoll, or in blocked.
func untilRunnable(w *wait.Wait) time.Duration {
	switch {
	case w.Blocked != wait.Unmeasured:
		return w.Blocked
	case w.Network != wait.Unmeasured && w.Netpoll != wait.Unmeasured:
		return w.Network + w.Netpoll
	default:
		return wait.Unmeasured
	}
}

func (p *Part) add(trace int64, ours time.Duration, squeezed bool, tornBeyond time.Duration) {
	if ours == wait.Unmeasured {
		return
	}
	difference := ours - time.Duration(trace)
	p.Trace += time.Duration(trace)
	p.Ours += ours
	p.differences = append(p.differences, difference)
	if squeezed || difference.Abs() > tornBeyond {
		p.Torn++
		p.TornTrace += time.Duration(trace)
		p.TornOurs += ours
	}
}

// Measured is the number of pairs of which the recording has this part.
func (p *Part) Measured() int { return len(p.differences) }

// Off is how far the recording's sum is from the trace's, as a share of the
// latter: 0.01 is one per cent too much. It is 0 when nothing was measured.
func (p *Part) Off() float64 { return off(p.Ours, p.Trace) }

// OffWhole is Off without the pairs that were torn apart.
func (p *Part) OffWhole() float64 { return off(p.Ours-p.TornOurs, p.Trace-p.TornTrace) }

func off(ours, trace time.Duration) float64 {
	if trace == 0 {
		return 0
	}
	return float64(ours-trace) / float64(trace)
}

// Difference is the given quantile, from 0 to 1, of ours minus the trace's.
func (p *Part) Difference(quantile float64) time.Duration {
	if len(p.differences) == 0 {
		return 0
	}
	slices.Sort(p.differences)
	return p.differences[int(quantile*float64(len(p.differences)-1))]
}

// distance is the given quantile, from 0 to 1, of how far apart the two are.
func (p *Part) distance(quantile float64) time.Duration {
	apart := make([]time.Duration, len(p.differences))
	for i, d := range p.differences {
		apart[i] = d.Abs()
	}
	slices.Sort(apart)
	return apart[int(quantile*float64(len(apart)-1))]
}

// Matched is the share, from 0 to 1, of all judged waits of either side that
// have a partner. It is 0 when there was nothing to judge.
func (r *Result) Matched() float64 {
	all := len(r.Pairs) + len(r.Missing) + len(r.Extra)
	if all == 0 {
		return 0
	}
	return float64(len(r.Pairs)) / float64(all)
}

// namedPart is a part and what it is called.
type namedPart struct {
	name string
	*Part
}

func (r *Result) parts() []namedPart {
	return []namedPart{{"total", &r.Total}, {"until", &r.Until}, {"sched", &r.Sched}}
}

// listed bounds how many single waits a summary names.
const listed = 5

// String is a summary for a test's log.
func (r *Result) String() string {
	var out strings.Builder
	fmt.Fprintf(&out, "%d waits matched (%.3f %%), %d missing, %d extra, %d with another reason, %d at the edges; clock within %v; preempted %d times\n",
		len(r.Pairs), 100*r.Matched(), len(r.Missing), len(r.Extra), len(r.WrongReason), r.Edge, r.clockError, r.preempted)
	fmt.Fprintf(&out, "%-8s %9s %14s %14s %9s %6s %12s %12s %12s %12s %12s %12s\n",
		"part", "measured", "trace", "ours", "off", "torn", "off whole", "p1", "p5", "p50", "p95", "p99")
	for _, part := range r.parts() {
		fmt.Fprintf(&out, "%-8s %9d %14v %14v %+8.2f%% %6d %+11.2f%% %12v %12v %12v %12v %12v\n",
			part.name, part.Measured(), part.Trace, part.Ours, 100*part.Off(), part.Torn, 100*part.OffWhole(),
			part.Difference(0.01), part.Difference(0.05), part.Difference(0.5), part.Difference(0.95), part.Difference(0.99))
	}
	for _, w := range r.Missing[:min(listed, len(r.Missing))] {
		fmt.Fprintf(&out, "missing: goroutine %d parked at %d for %v: %s, %s\n",
			w.Goid, w.Park, time.Duration(w.Running-w.Park), w.Reason, place(w.Frames))
	}
	for _, p := range r.WrongReason[:min(listed, len(r.WrongReason))] {
		fmt.Fprintf(&out, "another reason: goroutine %d parked at %d for %v: %s, %s; ours for %v: %s, %s\n",
			p.Trace.Goid, p.Trace.Park, time.Duration(p.Trace.Running-p.Trace.Park), p.Trace.Reason, place(p.Trace.Frames),
			p.Ours.Total, p.Ours.Reason, placeOfOurs(p.Ours.Stack))
	}
	for _, w := range r.Extra[:min(listed, len(r.Extra))] {
		fmt.Fprintf(&out, "extra: goroutine %d parked at %d (wall clock) for %v: %s, %s\n", w.Goid, w.Start, w.Total, w.Reason, placeOfOurs(w.Stack))
	}
	return out.String()
}

// place names the innermost three functions.
func place(frames []wait.Frame) string {
	var names []string
	for _, f := range frames[:min(3, len(frames))] {
		names = append(names, f.Func)
	}
	return strings.Join(names, " < ")
}

func placeOfOurs(stack *wait.Stack) string {
	if stack == nil {
		return "no stack"
	}
	return stack.Func
}

// sameReason tells whether the runtime's reason of a wait of ours is the trace's.
func sameReason(t *Wait, ours *wait.Wait) bool { return traceReasons[ours.Reason] == t.Reason }
