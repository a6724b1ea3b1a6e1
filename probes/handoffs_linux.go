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
// to cost little whatever a program does. So the probe is taken out of a program
// when it costs more than a share of the program's CPU time, which is less than
// half the default of --max-overhead, and stays out until it is within that share
// again.
const (
	// handoffInterval is how often the cost is looked at, and handoffWindow how long
	// it is added up.
	handoffInterval = 100 * time.Millisecond
	handoffWindow   = time.Second
	// handoffShare is what it may cost of the CPU time of the program, and
	// handoffFloor what it may cost in a window in any case.
	handoffShare = 0.02
	handoffFloor = handoffWindow / 100
	// handoffPause and handoffMaxPause bound how long the probe is out.
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

	paused *attachedUprobe // it is out for a while; nil: it is in, or not wanted
	until  time.Time       // then
	window handoffUse      // what the process had used when the window began
}

// handoffUse is what a process has used up to a moment.
type handoffUse struct {
	at   time.Time
	hits uint64
	cpu  time.Duration
}

// attached notes that uprobes were put in.
func (h *handoffWatch) attached(added []attachedUprobe) {
	if slices.ContainsFunc(added, attachedUprobe.isHandoff) {
		h.since.Store(monotonicNow())
		h.paused, h.window = nil, handoffUse{}
	}
}

func (u attachedUprobe) isHandoff() bool { return u.program == handoffProgram }

// pauseAt is for how long the probe has to be out so that it is within its share,
// by what the process has used now; 0 if it is.
func (h *handoffWatch) pauseAt(now handoffUse, price wait.Price) time.Duration {
	began := h.window
	passed := now.at.Sub(began.at)
	if passed >= handoffWindow {
		h.window = now
	}
	cost := time.Duration(now.hits-began.hits) * (price.Trap + price.Uprobe)
	allowed := time.Duration(handoffShare * float64(now.cpu-began.cpu))
	if began.at.IsZero() || cost <= max(handoffFloor, allowed) {
		return 0
	}
	// In this time the program's share is as much as the probe has cost.
	fair := time.Duration(float64(passed) * float64(cost) / float64(max(allowed, 1)))
	return min(max(fair-passed, handoffPause), handoffMaxPause)
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
		c, err := r.machine.counts(t.number)
		if err != nil {
			return nil, err
		}
		cpu, err := t.target.Process.CPUTime()
		if err != nil {
			return nil, nil // it ends
		}
		used := handoffUse{at: now, hits: c[bpf.WaitsCounterHITS_HANDOFF], cpu: cpu}
		if pause := h.pauseAt(used, r.price); pause > 0 {
			return t.pauseHandoffs(at, now, pause)
		}
	case h.paused != nil && !t.over && !t.mode.everyPark && now.After(h.until):
		return t.resumeHandoffs(r.machine, now), nil
	}
	return nil, nil
}

// pauseHandoffs takes out the probe, which is the uprobe at an index. The caller
// holds probing.
func (t *traced) pauseHandoffs(at int, now time.Time, pause time.Duration) (*wait.Event, error) {
	out := t.uprobes[at]
	t.uprobes = slices.Delete(t.uprobes, at, at+1)
	t.handoffs.paused, t.handoffs.until = &out, now.Add(pause)
	note := fmt.Sprintf("handoffs are not recorded for a while: that would cost the program more than %g %% of its CPU time", 100*handoffShare)
	return t.event(wait.EventHandoffs, 1, pause, note, &wait.HandoffChange{}), closeUprobes([]attachedUprobe{out})
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
		h.until = now.Add(handoffPause)
		return nil
	}
	t.uprobes = append(t.uprobes, *h.paused)
	h.attached(t.uprobes)
	return t.event(wait.EventHandoffs, 1, wait.Unmeasured, "handoffs are recorded again", &wait.HandoffChange{Recorded: true})
}
