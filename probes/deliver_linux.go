package probes

import (
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
// it is half full.
const drainInterval = 25 * time.Millisecond

// drainAtMost bounds what is delivered before anything else is looked at: a
// target may be quicker than we are.
const drainAtMost = 1 << 17

// accountInterval is how often losses and the price are told.
const accountInterval = time.Second

// Run delivers waits until the context ends, the target exits or it runs
// another program; then it detaches, delivers what is left, and reports the
// waits that are still open. It returns [process.ErrExec] or [process.ErrExited] where
// the target ended it.
func (r *Recorder) Run(ctx context.Context, sink wait.Sink) error {
	if err := r.deliverBacklog(sink); err != nil {
		return err
	}
	ended, err := r.deliverUntilEnd(ctx, sink)
	if err != nil {
		return err
	}
	now := monotonicNow()
	if err := r.detach(); err != nil {
		return err
	}
	if err := r.drain(sink, time.Unix(1, 0), math.MaxInt); err != nil {
		return err
	}
	if ended == nil {
		if err := r.deliverOpen(sink, now); err != nil {
			return err
		}
	}
	if err := r.account(sink); err != nil {
		return err
	}
	return ended
}

// deliverUntilEnd returns why the recording ended, if not by the context, and
// errors of the sink.
func (r *Recorder) deliverUntilEnd(ctx context.Context, sink wait.Sink) (ended, err error) {
	accounts := time.NewTicker(accountInterval)
	defer accounts.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil, nil
		case <-r.target.Process.Exited():
			return process.ErrExited, nil
		case <-accounts.C:
			if err := r.account(sink); err != nil {
				return nil, err
			}
			// The record that says so may have been lost.
			if tgid, err := r.targetTGID(); err != nil || tgid == 0 {
				return process.ErrExec, err
			}
		default:
		}
		if err := r.drain(sink, time.Now().Add(drainInterval), drainAtMost); err != nil {
			return nil, err
		}
		r.timing.sample(&r.price)
		if r.exec {
			return process.ErrExec, nil
		}
	}
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
	var record ringbuf.Record
	var w wait.Wait
	r.reader.SetDeadline(until)
	for range atMost {
		err := r.reader.ReadInto(&record)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading the ring buffer: %w", err)
		}
		if err := r.deliver(record.RawSample, &w, sink); err != nil {
			return err
		}
	}
	return nil
}

// deliver handles one record. Its type is the first word of each.
func (r *Recorder) deliver(raw []byte, w *wait.Wait, sink wait.Sink) error {
	switch recordType(raw) {
	case bpf.WaitsRecordTypeRECORD_WAIT:
		if record := recordAs[bpf.WaitsWaitRecord](raw); record != nil {
			if r.phantom(record.G, record.Goid, record.Flags) {
				r.adoption.phantoms++
				return nil
			}
			r.countDescriptor(record.Flags, record.Pd, record.PdGen)
			r.decoder.wait(record, w)
			r.delivered.Add(1)
			return sink.Wait(w)
		}
	case bpf.WaitsRecordTypeRECORD_SOCKET:
		if record := recordAs[bpf.WaitsSocketRecord](raw); record != nil {
			r.decoder.descriptors.add(record)
		}
	case bpf.WaitsRecordTypeRECORD_EXEC:
		r.exec = true
	}
	return nil
}

func recordType(raw []byte) bpf.WaitsRecordType {
	if kind := recordAs[bpf.WaitsRecordType](raw); kind != nil {
		return *kind
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

// deliverOpen reports the waits that are not over.
func (r *Recorder) deliverOpen(sink wait.Sink, now int64) error {
	var g uint64
	var slot bpf.WaitsSlot
	var w wait.Wait
	slots := r.collection.Maps[bpf.WaitsMapSlots].Iterate()
	for slots.Next(&g, &slot) {
		if slot.Open == 0 {
			continue
		}
		if r.phantom(g, slot.Goid, slot.Flags) {
			r.adoption.openPhantoms++
			continue
		}
		r.countDescriptor(slot.Flags, slot.Pd, slot.PdGen)
		r.decoder.open(&slot, r.owedSince(&slot), now, &w)
		if err := sink.Wait(&w); err != nil {
			return err
		}
	}
	if err := slots.Err(); err != nil {
		return fmt.Errorf("reading the waits that are open: %w", err)
	}
	return nil
}

// owedSince is when the answer that an open wait is for was asked for: 0 if
// none is owed.
func (r *Recorder) owedSince(slot *bpf.WaitsSlot) int64 {
	if has(slot.Flags, bpf.WaitsWaitFlagWAIT_OWED_AT_PARK) {
		return int64(slot.ParkNs)
	}
	var pd bpf.WaitsPdSlot
	if slot.Pd == 0 || r.collection.Maps[bpf.WaitsMapPds].Lookup(slot.Pd, &pd) != nil {
		return 0
	}
	if pd.OwedNs > slot.ParkNs {
		return int64(pd.OwedNs)
	}
	return 0
}
