package probes

import (
	"time"

	"github.com/cilium/ebpf"

	"github.com/netpolltrace/netpolltrace/bpf"
	"github.com/netpolltrace/netpolltrace/wait"
)

// account tells what was lost and what the probes cost since the last time.
func (r *Recorder) account(sink wait.Sink) error {
	c, err := r.counted()
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
	if err := r.accountSkipped(sink); err != nil {
		return err
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

// skippedNote says what it means that the kernel did not run a program.
const skippedNote = "runs of probes that the kernel skipped, since the same processor was in one already: some waits are missing or lack a part"

// accountSkipped tells how often the kernel did not run a program where it
// should have: it does not let some sorts of programs interrupt each other.
func (r *Recorder) accountSkipped(sink wait.Sink) error {
	var skipped uint64
	for _, p := range append(r.uprobePrograms(), r.hookPrograms()...) {
		// A program that is not there, or cannot be asked, is left out.
		if p == nil {
			continue
		}
		if stats, err := p.Stats(); err == nil {
			skipped += stats.RecursionMisses
		}
	}
	delta := skipped - r.skipped
	r.skipped = skipped
	if delta == 0 {
		return nil
	}
	return sink.Event(r.event(wait.EventIncomplete, delta, wait.Unmeasured, skippedNote))
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
	for _, name := range programsAt(r.places()) {
		programs = append(programs, r.collection.Programs[name])
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

// counted is what the kernel side counted, and what was found to be missing
// when waits were taken over.
func (r *Recorder) counted() (counts, error) {
	c, err := readCounts(r.collection.Maps[bpf.WaitsMapCounters])
	if err != nil {
		return c, err
	}
	c[bpf.WaitsCounterLOST_SLOT] += r.adoption.noRoom
	c[bpf.WaitsCounterNO_FD_ROOM] += r.adoption.noDescriptor
	return c, nil
}

// Counts are the books of a recording. Once it has ended, these hold:
//
//	Ends = waits delivered + Phantoms + LostRing
//	Parks + Adopted = Ends + waits delivered as open + OpenPhantoms + MovedOn + LostSlot + LostResume + NoGoid
type Counts struct {
	Parks   uint64 // seen by a probe
	Adopted uint64 // under way when the recording began
	Ends    uint64 // seen by a probe

	// Of the adopted: the goroutine had gone on before it was entered. Phantoms
	// ended, OpenPhantoms did not, MovedOn were replaced by a park.
	Phantoms, OpenPhantoms, MovedOn uint64

	LostRing, LostSlot, LostResume, NoGoid uint64 // waits
	NoStackRoom, NoFDRoom, NoSocketRecord  uint64 // waits that lack something
}

// Counts reads the books.
func (r *Recorder) Counts() (Counts, error) {
	c, err := r.counted()
	return Counts{
		Parks:   c[bpf.WaitsCounterHITS_PARK],
		Adopted: r.adoption.entered + r.adoption.noRoom,
		Ends:    c[bpf.WaitsCounterENDS],

		Phantoms:     r.adoption.phantoms,
		OpenPhantoms: r.adoption.openPhantoms,
		MovedOn:      c[bpf.WaitsCounterMOVED_ON],

		LostRing:       c[bpf.WaitsCounterLOST_RING],
		LostSlot:       c[bpf.WaitsCounterLOST_SLOT],
		LostResume:     c[bpf.WaitsCounterLOST_RESUME],
		NoGoid:         c[bpf.WaitsCounterNO_GOID],
		NoStackRoom:    c[bpf.WaitsCounterNO_STACK_ROOM],
		NoFDRoom:       c[bpf.WaitsCounterNO_FD_ROOM],
		NoSocketRecord: c[bpf.WaitsCounterNO_SOCKET_RECORD],
	}, err
}
