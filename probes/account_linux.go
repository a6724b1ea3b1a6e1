package probes

import (
	"time"

	"github.com/cilium/ebpf"

	"github.com/netpolltrace/netpolltrace/bpf"
	"github.com/netpolltrace/netpolltrace/wait"
)

// account tells what was lost and what the probes cost since the last time.
func (r *Recorder) account(sink wait.Sink) error {
	c, err := readCounts(r.collection.Maps[bpf.WaitsMapCounters])
	if err != nil {
		return err
	}
	for _, s := range shortfalls {
		delta := c[s.counter] - r.reported[s.counter]
		if delta == 0 {
			continue
		}
		if s.kind == wait.EventLost {
			r.lost.Add(delta)
		}
		if err := sink.Event(r.event(s.kind, delta, wait.Unmeasured, s.note)); err != nil {
			return err
		}
	}
	if err := r.completePrice(); err != nil {
		return err
	}
	hits := c.sum(uprobeHits) - r.reported.sum(uprobeHits)
	cost := r.price.of(&c) - r.price.of(&r.reported)
	r.reported = c
	r.hits.Add(hits)
	r.cost.Add(int64(cost))
	return sink.Event(r.event(wait.EventOverhead, hits, cost, r.price.String()))
}

// completePrice waits for the calibration.
func (r *Recorder) completePrice() error {
	if r.price.Trap == 0 {
		c := <-r.calibrated
		if c.err != nil {
			return c.err
		}
		r.price.Trap = c.trap
	}
	return nil
}

func (r *Recorder) uprobePrograms() []*ebpf.Program {
	var programs []*ebpf.Program
	for _, u := range uprobesOf[r.plan.Mode] {
		programs = append(programs, r.collection.Programs[u.program])
	}
	return programs
}

func (r *Recorder) hookPrograms() []*ebpf.Program {
	var programs []*ebpf.Program
	for _, h := range r.plan.hooks {
		for _, p := range h.programs {
			programs = append(programs, r.collection.Programs[p.name])
		}
	}
	return programs
}

func (r *Recorder) event(kind wait.EventKind, count uint64, duration time.Duration, note string) *wait.Event {
	return &wait.Event{
		Kind: kind, Start: monotonicNow() + r.decoder.wallOffset, Duration: duration,
		Count: count, Process: r.decoder.process, Note: note,
	}
}

// Counts of the kernel side, for the tests of its bookkeeping.
type Counts struct{ Parks, Ends, LostRing, LostSlot, LostResume uint64 }

// Counts reads the kernel's counters.
func (r *Recorder) Counts() (Counts, error) {
	c, err := readCounts(r.collection.Maps[bpf.WaitsMapCounters])
	return Counts{
		Parks: c[bpf.WaitsCounterHITS_PARK], Ends: c[bpf.WaitsCounterENDS],
		LostRing: c[bpf.WaitsCounterLOST_RING], LostSlot: c[bpf.WaitsCounterLOST_SLOT],
		LostResume: c[bpf.WaitsCounterLOST_RESUME],
	}, err
}
