package probes

import (
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/cilium/ebpf/link"

	"github.com/netpolltrace/netpolltrace/bpf"
	"github.com/netpolltrace/netpolltrace/wait"
)

// handoffProgram tells whom a goroutine makes runnable after a wait in the
// netpoller.
const handoffProgram = bpf.WaitsProgIoHandoff

// The probe of handoffs is in runtime.ready, which a program that passes work
// through channels may call millions of times a second, while mode io promises
// to cost little whatever a program does. So it is taken out of a program when it
// costs more than a share of the program's CPU time, of which the default of
// --max-overhead is two and a half times as much, and put back later to see
// whether that has changed.
const (
	// handoffInterval is how often the cost is looked at.
	handoffInterval = 100 * time.Millisecond
	// handoffShare is what it may cost of the CPU time of the program, and
	// handoffFloor what it may cost of one processor in any case.
	handoffShare = 0.02
	handoffFloor = 0.01
	// handoffPause is how long it is out, at first and at most: each time that it
	// has to be taken out again the pause is twice as long.
	handoffPause    = time.Second
	handoffMaxPause = time.Minute
)

// leftOut are the parts that nobody wants, and why.
func (r *Recorder) leftOut() map[wait.Part]string {
	if r.options.NoHandoffs {
		return map[wait.Part]string{wait.PartHandoffs: "left out by --no-handoff"}
	}
	return nil
}

// handoffWatch is what is known of the probe of handoffs in a process. All but
// since is guarded by the process's probing.
type handoffWatch struct {
	// since is when the probe was put in, by CLOCK_MONOTONIC: whom a goroutine
	// made runnable before that is not known.
	since atomic.Int64

	paused  *attachedUprobe // it is out for a while; nil: it is in, or not wanted
	until   time.Time       // then
	pause   time.Duration   // the last one
	counted handoffCost     // at the last look
}

// handoffCost is what a process had used at a moment.
type handoffCost struct {
	at   time.Time
	hits uint64
	cpu  time.Duration // wait.Unmeasured if not known
}

// attached notes that uprobes were put in.
func (h *handoffWatch) attached(added []attachedUprobe) {
	if slices.ContainsFunc(added, attachedUprobe.isHandoff) {
		h.since.Store(monotonicNow())
		h.paused, h.counted = nil, handoffCost{}
	}
}

func (u attachedUprobe) isHandoff() bool { return u.program == handoffProgram }

// tooMuch tells whether the probe costs more than it may since the last look.
func (h *handoffWatch) tooMuch(now handoffCost, price wait.Price) bool {
	before := h.counted
	h.counted = now
	if before.at.IsZero() {
		return false
	}
	cost := float64(now.hits-before.hits) * float64(price.Trap+price.Uprobe)
	if cost <= handoffFloor*float64(now.at.Sub(before.at)) {
		return false
	}
	return now.cpu == wait.Unmeasured || before.cpu == wait.Unmeasured || cost > handoffShare*float64(now.cpu-before.cpu)
}

// watchHandoffs takes the probe of handoffs out of processes in which it costs
// too much, and puts it back.
func (r *Recorder) watchHandoffs(sink wait.Sink) error {
	if err := r.completePrice(); err != nil {
		return err
	}
	for _, t := range r.all() {
		if !t.taking.TryLock() {
			continue // it is being added
		}
		event, err := r.watchHandoffsOf(t, time.Now())
		t.taking.Unlock()
		if err == nil && event != nil {
			err = sink.Event(event)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// watchHandoffsOf does it for one process; what changed is told by the event.
func (r *Recorder) watchHandoffsOf(t *traced, now time.Time) (*wait.Event, error) {
	t.probing.Lock()
	defer t.probing.Unlock()
	h := &t.handoffs
	at := slices.IndexFunc(t.uprobes, attachedUprobe.isHandoff)
	switch {
	case at >= 0:
		used, err := r.handoffCost(t, now)
		if err != nil || !h.tooMuch(used, r.price) {
			return nil, err
		}
		return t.pauseHandoffs(at, now)
	case h.paused != nil && !t.over && !t.mode.everyPark && now.After(h.until):
		return t.resumeHandoffs(r.machine, now), nil
	}
	return nil, nil
}

// handoffCost is what the process has used so far.
func (r *Recorder) handoffCost(t *traced, now time.Time) (handoffCost, error) {
	c, err := r.machine.counts(t.number)
	if err != nil {
		return handoffCost{}, err
	}
	used := handoffCost{at: now, hits: c[bpf.WaitsCounterHITS_HANDOFF], cpu: wait.Unmeasured}
	if cpu, err := t.target.Process.CPUTime(); err == nil {
		used.cpu = cpu
	}
	return used, nil
}

// pauseHandoffs takes out the probe, which is the uprobe at an index. The caller
// holds probing.
func (t *traced) pauseHandoffs(at int, now time.Time) (*wait.Event, error) {
	h, out := &t.handoffs, t.uprobes[at]
	t.uprobes = slices.Delete(t.uprobes, at, at+1)
	if in := time.Duration(monotonicNow() - h.since.Load()); in > h.pause {
		h.pause = 0 // it was fine for as long as it was out
	}
	h.pause = min(max(2*h.pause, handoffPause), handoffMaxPause)
	h.paused, h.until = &out, now.Add(h.pause)
	note := fmt.Sprintf("handoffs are not recorded for %v: to record them would cost the program more than %g %% of its CPU time",
		h.pause, 100*handoffShare)
	return t.event(wait.EventHandoffs, 1, h.pause, note, &wait.HandoffChange{}), closeUprobes([]attachedUprobe{out})
}

// resumeHandoffs puts the probe back; if the program does not take it, since it
// ends, it is tried again later. The caller holds probing.
func (t *traced) resumeHandoffs(machine *machine, now time.Time) *wait.Event {
	h := &t.handoffs
	exe, err := link.OpenExecutable(t.target.Process.ExePath())
	if err == nil {
		err = t.putIn(machine, exe, h.paused)
	}
	if err != nil {
		h.until = now.Add(h.pause)
		return nil
	}
	t.uprobes = append(t.uprobes, *h.paused)
	h.attached(t.uprobes)
	return t.event(wait.EventHandoffs, 1, wait.Unmeasured, "handoffs are recorded again", &wait.HandoffChange{Recorded: true})
}
