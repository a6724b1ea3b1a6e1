package probes

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"time"
	"unsafe"

	"github.com/cilium/ebpf/ringbuf"

	"github.com/netpolltrace/netpolltrace/bpf"
	"github.com/netpolltrace/netpolltrace/process"
	"github.com/netpolltrace/netpolltrace/wait"
)

// The ring buffer is looked at this often; at 300,000 waits a second a quarter
// of the default one fills meanwhile. The kernel wakes us before that only when
// it is half full, and when a program begins.
const drainInterval = 25 * time.Millisecond

// drainAtMost bounds what is delivered before anything else is looked at: a
// target may be faster than we are.
const drainAtMost = 1 << 17

// accountInterval is how often losses and the price are told.
const accountInterval = time.Second

// Run implements [wait.Source]: it delivers until the context ends, or the last
// process is gone; then it detaches, delivers what is left, and reports the
// waits that are still open.
func (r *Recorder) Run(ctx context.Context, sink wait.Sink) error {
	r.Meta()
	if err := r.deliverBacklog(sink); err != nil {
		return err
	}
	if err := r.deliverUntilEnd(ctx, sink); err != nil {
		return err
	}
	r.end()
	if err := r.perform(sink); err != nil {
		return err
	}
	return r.finish(sink)
}

// deliverUntilEnd returns errors of the sink and of reading.
func (r *Recorder) deliverUntilEnd(ctx context.Context, sink wait.Sink) error {
	accounts := time.NewTicker(accountInterval)
	defer accounts.Stop()
	looks := time.NewTicker(handoffInterval)
	defer looks.Stop()
	for {
		if over, err := r.attend(sink); over || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-accounts.C:
			if err := r.accountAll(sink); err != nil {
				return err
			}
		case <-looks.C:
			if err := r.watchHandoffs(sink); err != nil {
				return err
			}
		default:
		}
		if err := r.drain(sink, time.Now().Add(drainInterval), drainAtMost); err != nil {
			return err
		}
		r.timing.sample(&r.price)
	}
}

// attend does what is to be done besides delivering records, and tells whether
// nothing is left to record.
func (r *Recorder) attend(sink wait.Sink) (over bool, err error) {
	if err := r.perform(sink); err != nil {
		return false, err
	}
	for _, t := range r.all() {
		if !t.taking.TryLock() {
			continue // it is being added
		}
		err := r.release(t, sink)
		t.taking.Unlock()
		if err != nil {
			return false, err
		}
		select {
		case <-t.target.Process.Exited():
			// It has written its last record.
			if err := r.drainPresent(sink); err != nil {
				return false, err
			}
			if err := r.leave(t, wait.TargetExited, process.ErrExited.Error(), sink); err != nil {
				return false, err
			}
		default:
		}
	}
	if r.options.KeepRunning || len(r.all()) > 0 {
		return false, nil
	}
	following, err := r.followsAny()
	return !following, err
}

// perform does the tasks that the other methods left for Run.
func (r *Recorder) perform(sink wait.Sink) error {
	r.mu.Lock()
	tasks := r.tasks
	r.tasks = nil
	r.mu.Unlock()
	for _, task := range tasks {
		if err := task(sink); err != nil {
			return err
		}
	}
	return nil
}

// finish ends the part of all processes.
func (r *Recorder) finish(sink wait.Sink) error {
	now := monotonicNow()
	all := r.all()
	for _, t := range all {
		if err := t.detach(); err != nil {
			return err
		}
	}
	if err := r.machine.detach(); err != nil {
		return err
	}
	if err := r.drain(sink, time.Unix(1, 0), math.MaxInt); err != nil {
		return err
	}
	for _, t := range all {
		if err := r.deliverRest(t, now, sink); err != nil {
			return err
		}
	}
	return r.accountAll(sink)
}

// deliverRest delivers what was held back of a process, and its open waits.
func (r *Recorder) deliverRest(t *traced, now int64, sink wait.Sink) error {
	t.taking.Lock()
	defer t.taking.Unlock()
	if err := r.release(t, sink); err != nil {
		return err
	}
	return r.deliverOpen(t, now, sink)
}

// leave ends the part of a process that is gone or was removed. All of its
// records were delivered.
func (r *Recorder) leave(t *traced, state wait.TargetState, note string, sink wait.Sink) error {
	if r.numbered(t.number) != t {
		return nil // it left in another way
	}
	now := monotonicNow()
	if err := t.detach(); err != nil {
		return err
	}
	if state == wait.TargetLeft {
		if err := r.drainPresent(sink); err != nil {
			return err
		}
		if err := r.deliverRest(t, now, sink); err != nil {
			return err
		}
	}
	if err := r.account(t, sink); err != nil {
		return err
	}
	if err := r.countLeft(t); err != nil {
		return err
	}
	r.gone[t.number] = true
	if err := r.drop(t); err != nil {
		return err
	}
	return sink.Event(t.change(state, note))
}

// deliverBacklog delivers what arrived until now.
func (r *Recorder) deliverBacklog(sink wait.Sink) error {
	records, err := r.takeBacklog()
	if err != nil {
		return err
	}
	var w wait.Wait
	for _, raw := range records {
		if err := r.deliver(raw, &w, sink); err != nil {
			return err
		}
	}
	return nil
}

func (r *Recorder) takeBacklog() ([][]byte, error) {
	records, err := r.backlog.take()
	r.backlog = nil
	if err != nil {
		return nil, fmt.Errorf("reading the ring buffer: %w", err)
	}
	return records, nil
}

// drain delivers what is in the ring buffer, and what the kernel wakes us for
// until a moment, up to a number of records.
func (r *Recorder) drain(sink wait.Sink, until time.Time, atMost int) error {
	return r.read(sink, until, atMost, math.MaxInt)
}

// drainPresent delivers what is in the ring buffer now.
func (r *Recorder) drainPresent(sink wait.Sink) error {
	return r.read(sink, time.Unix(1, 0), math.MaxInt, r.machine.reader.AvailableBytes())
}

// read delivers records until a moment, or so many records or bytes.
func (r *Recorder) read(sink wait.Sink, until time.Time, records, size int) error {
	var record ringbuf.Record
	var w wait.Wait
	r.machine.reader.SetDeadline(until)
	for ; records > 0 && size > 0; records-- {
		err := r.machine.reader.ReadInto(&record)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading the ring buffer: %w", err)
		}
		size -= len(record.RawSample)
		if err := r.deliver(record.RawSample, &w, sink); err != nil {
			return err
		}
	}
	return nil
}

// deliver handles one record.
func (r *Recorder) deliver(raw []byte, w *wait.Wait, sink wait.Sink) error {
	header := recordAs[bpf.WaitsRecordHeader](raw)
	if header == nil {
		return nil
	}
	if header.Process == 0 {
		return r.followRecord(raw, sink)
	}
	t := r.numbered(header.Process)
	if t == nil {
		return nil // it is gone
	}
	if !t.taking.TryLock() {
		if t.heldSize < maxBacklog {
			t.hold(raw)
			return nil
		}
		t.taking.Lock()
	}
	defer t.taking.Unlock()
	if err := r.release(t, sink); err != nil {
		return err
	}
	return r.deliverOf(t, raw, w, sink)
}

// hold keeps a record of a process whose waits are being taken over. Only Run
// looks at what is held.
func (t *traced) hold(raw []byte) {
	t.held = append(t.held, bytes.Clone(raw))
	t.heldSize += len(raw)
}

// release delivers what was held back of a process, after what is to be said
// of the process itself. The caller holds taking.
func (r *Recorder) release(t *traced, sink wait.Sink) error {
	if !t.welcome && !t.rejected {
		t.welcome = true
		if t.late {
			if err := sink.Event(t.change(wait.TargetJoined, "it is recorded from here on")); err != nil {
				return err
			}
		}
	}
	held := t.held
	t.held, t.heldSize = nil, 0
	var w wait.Wait
	for _, raw := range held {
		if err := r.deliverOf(t, raw, &w, sink); err != nil {
			return err
		}
	}
	return nil
}

// deliverOf handles a record of a process. The caller holds taking.
func (r *Recorder) deliverOf(t *traced, raw []byte, w *wait.Wait, sink wait.Sink) error {
	if t.rejected {
		return nil
	}
	switch recordType(raw) {
	case bpf.WaitsRecordTypeRECORD_WAIT:
		if record := recordAs[bpf.WaitsWaitRecord](raw); record != nil {
			return r.deliverWait(t, record, nil, w, sink)
		}
	case bpf.WaitsRecordTypeRECORD_WOKEN:
		if record := recordAs[bpf.WaitsWokenRecord](raw); record != nil {
			return r.deliverWait(t, &record.Wait, &record.Waker, w, sink)
		}
	case bpf.WaitsRecordTypeRECORD_HANDOFF:
		if record := recordAs[bpf.WaitsHandoffRecord](raw); record != nil && t.handoffs.since.Load() <= int64(record.WakerPolledNs) {
			t.decoder.handoff(record, w)
			return sink.Wait(w)
		}
	case bpf.WaitsRecordTypeRECORD_SOCKET:
		if record := recordAs[bpf.WaitsSocketRecord](raw); record != nil {
			t.decoder.descriptors.add(record)
		}
	case bpf.WaitsRecordTypeRECORD_EXEC:
		return r.execed(t, sink)
	}
	return nil
}

// deliverWait delivers a finished wait; waker is nil if no goroutine ended it.
func (r *Recorder) deliverWait(t *traced, record *bpf.WaitsWaitRecord, waker *bpf.WaitsWaker, w *wait.Wait, sink wait.Sink) error {
	if t.isStale(record.G, record.Goid, record.Flags) {
		t.adoption.staleEnded.Add(1)
		return nil
	}
	t.countDescriptor(record.Flags, record.Pd, record.PdGen)
	t.decoder.wait(record, waker, w)
	r.delivered.Add(1)
	return sink.Wait(w)
}

// execed ends the part of a process that runs another program; if children are
// followed, that one may join. The caller holds taking.
func (r *Recorder) execed(t *traced, sink wait.Sink) error {
	if err := r.leave(t, wait.TargetExec, process.ErrExec.Error(), sink); err != nil {
		return err
	}
	if r.options.Follow == FollowChildren {
		r.join(t.target.Process.PID)
	}
	return nil
}

func recordType(raw []byte) bpf.WaitsRecordType {
	if header := recordAs[bpf.WaitsRecordHeader](raw); header != nil {
		return bpf.WaitsRecordType(header.Type)
	}
	return 0
}

// recordAs views a record as what the kernel side wrote. The ring buffer's
// samples are aligned to eight bytes, and so is the copy that is read.
func recordAs[T any](raw []byte) *T {
	if len(raw) < int(unsafe.Sizeof(*new(T))) {
		return nil
	}
	return (*T)(unsafe.Pointer(unsafe.SliceData(raw)))
}

// deliverOpen reports the waits of a process that are not over at now.
func (r *Recorder) deliverOpen(t *traced, now int64, sink wait.Sink) error {
	_, changes := t.currentMode()
	return r.deliverSlots(t, now, sink, func(slot *bpf.WaitsSlot) bool {
		return slot.Pd != 0 || slot.ModeChanges == changes // the others were reported when the mode changed
	})
}

// deliverUnseen reports as open the waits whose end will not be seen, since the
// mode changed at now to one that sees the netpoller alone. They began after so
// many changes.
func (r *Recorder) deliverUnseen(t *traced, changes uint8, now int64, sink wait.Sink) error {
	if r.numbered(t.number) != t {
		return nil // it left
	}
	t.taking.Lock()
	defer t.taking.Unlock()
	if err := r.release(t, sink); err != nil {
		return err
	}
	return r.deliverSlots(t, now, sink, func(slot *bpf.WaitsSlot) bool {
		return slot.Pd == 0 && slot.ModeChanges == changes
	})
}

func (r *Recorder) deliverSlots(t *traced, now int64, sink wait.Sink, which func(*bpf.WaitsSlot) bool) error {
	var w wait.Wait
	return eachEntry(r.machine.collection.Maps[bpf.WaitsMapSlots], func(g uint64, slot *bpf.WaitsSlot) error {
		if numberOf(g) != t.number || slot.Open == 0 || !which(slot) {
			return nil
		}
		if t.isStale(g, slot.Goid, slot.Flags) {
			t.adoption.staleOpen.Add(1)
			return nil
		}
		t.countDescriptor(slot.Flags, slot.Pd, slot.PdGen)
		t.decoder.open(slot, r.pendingSince(slot), now, &w)
		return sink.Wait(&w)
	})
}

// pendingSince is since when a reply has been pending in an open wait: 0 if
// none is.
func (r *Recorder) pendingSince(slot *bpf.WaitsSlot) int64 {
	if has(slot.Flags, bpf.WaitsWaitFlagWAIT_PENDING_AT_PARK) {
		return int64(slot.ParkNs)
	}
	var pd bpf.WaitsPdSlot
	if slot.Pd == 0 || r.machine.collection.Maps[bpf.WaitsMapPds].Lookup(slot.Pd, &pd) != nil {
		return 0
	}
	if pd.PendingNs > slot.ParkNs {
		return int64(pd.PendingNs)
	}
	return 0
}

// timeAt is a moment of CLOCK_MONOTONIC by the wall clock.
func timeAt(monotonic, wallOffset int64) time.Time { return time.Unix(0, monotonic+wallOffset) }
