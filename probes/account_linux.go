package probes

import (
	"time"

	"github.com/netpolltrace/netpolltrace/bpf"
	"github.com/netpolltrace/netpolltrace/wait"
)

// accountAll tells what was lost and what the probes cost since the last time,
// and cleans up after the processes that left.
func (r *Recorder) accountAll(sink wait.Sink) error {
	for _, t := range r.all() {
		if !t.taking.TryLock() {
			continue // it is being added
		}
		err := r.account(t, sink)
		t.taking.Unlock()
		if err != nil {
			return err
		}
	}
	if err := r.accountSkipped(sink); err != nil {
		return err
	}
	if err := r.noticeExecs(sink); err != nil {
		return err
	}
	if len(r.gone) == 0 {
		return nil
	}
	gone := r.gone
	r.gone = make(map[uint32]bool)
	return r.machine.sweep(gone)
}

// account tells it of one process. The caller holds taking.
func (r *Recorder) account(t *traced, sink wait.Sink) error {
	c, err := r.counted(t)
	if err != nil {
		return err
	}
	for _, s := range shortfalls {
		delta := c[s.counter] - t.reported[s.counter]
		if delta == 0 {
			continue
		}
		if s.kind == wait.EventLost {
			r.lost.Add(delta)
		}
		if err := sink.Event(t.event(s.kind, delta, wait.Unmeasured, s.note, nil)); err != nil {
			return err
		}
	}
	if err := r.completePrice(); err != nil {
		return err
	}
	hits := c.sum(uprobeHits) - t.reported.sum(uprobeHits)
	cost := costOf(r.price, &c) - costOf(r.price, &t.reported)
	t.reported = c
	t.hits.Add(hits)
	t.cost.Add(int64(cost))
	price := r.price
	return sink.Event(t.event(wait.EventOverhead, hits, cost, "", &price))
}

// noticeExecs ends the part of processes that run another program, where the
// record that says so was lost.
func (r *Recorder) noticeExecs(sink wait.Sink) error {
	for _, t := range r.all() {
		c, err := r.machine.config(t.number)
		if err != nil {
			return err
		}
		if c.Tgid != 0 || !t.taking.TryLock() {
			continue
		}
		t.taking.Unlock()
		if err := r.drainPresent(sink); err != nil {
			return err
		}
		if err := r.execed(t, sink); err != nil {
			return err
		}
	}
	return nil
}

// skippedNote says what it means that the kernel did not run a program.
const skippedNote = "probe runs that the kernel skipped because the CPU was already in one: some waits are missing or lack a part"

// accountSkipped tells how often the kernel did not run a program where it
// should have: it does not let some sorts of programs interrupt each other.
func (r *Recorder) accountSkipped(sink wait.Sink) error {
	var skipped uint64
	for _, p := range append(r.machine.programs(uprobePrograms()), r.machine.programs(r.plan.hookPrograms())...) {
		// A program that cannot be asked is left out.
		if stats, err := p.Stats(); err == nil {
			skipped += stats.RecursionMisses
		}
	}
	delta := skipped - r.skipped
	r.skipped = skipped
	if delta == 0 {
		return nil
	}
	return sink.Event(&wait.Event{
		Kind: wait.EventIncomplete, Start: time.Now().UnixNano(), Duration: wait.Unmeasured, Count: delta, Note: skippedNote,
	})
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

// counted is what the kernel side counted of a process, and what was found to
// be missing when waits were taken over.
func (r *Recorder) counted(t *traced) (counts, error) {
	c, err := r.machine.counts(t.number)
	if err != nil {
		return c, err
	}
	c[bpf.WaitsCounterLOST_SLOT] += t.adoption.noRoom.Load()
	c[bpf.WaitsCounterNO_FD_ROOM] += t.adoption.noDescriptor.Load()
	return c, nil
}

// Counts tell what became of every wait. Once a recording in which no mode
// changed has ended, these hold:
//
//	Ends = waits delivered + StaleEnded + LostRing
//	Parks + Adopted = Ends + waits delivered as open + StaleOpen + Replaced + LostSlot + LostResume + NoGoid
//
// where the waits of processes that ended are not delivered as open.
type Counts struct {
	Parks   uint64 // seen by a probe
	Adopted uint64 // under way when the recording began
	Ends    uint64 // seen by a probe

	// Of the adopted: the goroutine had moved on before it was entered.
	// StaleEnded ended, StaleOpen did not, Replaced were replaced by a park.
	StaleEnded, StaleOpen, Replaced uint64

	LostRing, LostSlot, LostResume, NoGoid uint64 // waits
	NoStackRoom, NoFDRoom, NoSocketRecord  uint64 // waits that lack something
}

// Counts reads the counts of all processes, those that left included.
func (r *Recorder) Counts() (Counts, error) {
	r.mu.Lock()
	sum := r.left
	r.mu.Unlock()
	for _, t := range r.all() {
		if err := r.total(t, &sum); err != nil {
			return sum, err
		}
	}
	return sum, nil
}

// countLeft keeps the counts of a process that leaves.
func (r *Recorder) countLeft(t *traced) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.total(t, &r.left)
}

// total adds the counts of a process to a sum.
func (r *Recorder) total(t *traced, sum *Counts) error {
	c, err := r.counted(t)
	if err != nil {
		return err
	}
	sum.Adopted += t.adoption.entered.Load() + t.adoption.noRoom.Load()
	sum.StaleEnded += t.adoption.staleEnded.Load()
	sum.StaleOpen += t.adoption.staleOpen.Load()
	for _, of := range []struct {
		sum     *uint64
		counter bpf.WaitsCounter
	}{
		{&sum.Parks, bpf.WaitsCounterHITS_PARK},
		{&sum.Ends, bpf.WaitsCounterENDS},
		{&sum.Replaced, bpf.WaitsCounterREPLACED},
		{&sum.LostRing, bpf.WaitsCounterLOST_RING},
		{&sum.LostSlot, bpf.WaitsCounterLOST_SLOT},
		{&sum.LostResume, bpf.WaitsCounterLOST_RESUME},
		{&sum.NoGoid, bpf.WaitsCounterNO_GOID},
		{&sum.NoStackRoom, bpf.WaitsCounterNO_STACK_ROOM},
		{&sum.NoFDRoom, bpf.WaitsCounterNO_FD_ROOM},
		{&sum.NoSocketRecord, bpf.WaitsCounterNO_SOCKET_RECORD},
	} {
		*of.sum += c[of.counter]
	}
	return nil
}
