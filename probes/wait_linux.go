package probes

import (
	"math"
	"time"

	"github.com/netpolltrace/netpolltrace/bpf"
	"github.com/netpolltrace/netpolltrace/wait"
)

var opOf = [...]wait.Op{
	bpf.WaitsWaitOpOP_NONE:    "",
	bpf.WaitsWaitOpOP_READ:    wait.OpRead,
	bpf.WaitsWaitOpOP_WRITE:   wait.OpWrite,
	bpf.WaitsWaitOpOP_ACCEPT:  wait.OpAccept,
	bpf.WaitsWaitOpOP_CONNECT: wait.OpConnect,
}

var outcomeOf = [...]wait.Outcome{
	bpf.WaitsWaitOutcomeOUTCOME_UNKNOWN:     wait.OutcomeUnknown,
	bpf.WaitsWaitOutcomeOUTCOME_READY:       wait.OutcomeReady,
	bpf.WaitsWaitOutcomeOUTCOME_TIMEOUT:     wait.OutcomeTimeout,
	bpf.WaitsWaitOutcomeOUTCOME_INTERRUPTED: wait.OutcomeInterrupted,
	bpf.WaitsWaitOutcomeOUTCOME_CLOSED:      wait.OutcomeClosed,
}

func has(flags uint8, flag bpf.WaitsWaitFlag) bool { return bpf.WaitsWaitFlag(flags)&flag != 0 }

// decoder makes waits of the kernel's records.
type decoder struct {
	process     *wait.Process
	wallOffset  int64 // wall clock minus CLOCK_MONOTONIC, in nanoseconds
	reasons     []string
	descriptors *descriptors
	symbols     *symbols
	processors  *processors
	// byEpoll: every edge of readiness is seen, so that a wait during which
	// none came was over before it began.
	byEpoll bool
	woke    wait.Waker // that the moments of the wait at hand point to
}

// wait fills w from a finished wait; waker is nil if no goroutine ended it.
func (d *decoder) wait(r *bpf.WaitsWaitRecord, waker *bpf.WaitsWaker, w *wait.Wait) {
	m := d.moments(r)
	if has(r.Flags, bpf.WaitsWaitFlagWAIT_SAW_READY) {
		d.woke = d.waker(waker)
		m.Waker = &d.woke
	}
	m.Wait(w)
	d.name(r, w)
}

// open fills w from a slot whose wait is not over at now; pending is since when
// a reply has been pending, 0 if none is.
func (d *decoder) open(slot *bpf.WaitsSlot, pending, now int64, w *wait.Wait) {
	r := bpf.WaitsWaitRecord{
		Reason: slot.Reason, Op: slot.Op, Flags: slot.Flags, Goid: slot.Goid, StartPc: slot.StartPc,
		GoPc: slot.GoPc, ParentGoid: slot.ParentGoid, PreemptedNs: slot.PreemptedNs,
		ParkNs: slot.ParkNs, ResumeNs: uint64(now), PendingNs: uint64(pending),
		Stack: slot.Stack, Pd: slot.Pd, PdGen: slot.PdGen,
	}
	m := d.moments(&r)
	m.Open = true
	m.Wait(w)
	d.name(&r, w)
	w.TID = -1
}

// handoff fills w from a handoff.
func (d *decoder) handoff(r *bpf.WaitsHandoffRecord, w *wait.Wait) {
	*w = wait.Empty()
	w.Kind, w.Start = wait.KindHandoff, int64(r.TimeNs)+d.wallOffset
	w.Process, w.Goid, w.ParentGoid = d.process, r.Goid, r.ParentGoid
	w.WakerGoid, w.WakerPID = r.WakerGoid, d.process.PID
	w.CreatorLine, w.StartFunc = d.symbols.creator(r.GoPc).line, d.symbols.function(r.StartPc)
	w.Reason, w.Stack = d.reason(r.Reason), d.symbols.stack(r.Stack)
}

// moments are those of a record.
func (d *decoder) moments(r *bpf.WaitsWaitRecord) wait.Moments {
	return wait.Moments{
		Park:          int64(r.ParkNs),
		Ready:         int64(r.ReadyNs),
		Runnable:      int64(r.RunnableNs),
		Resume:        int64(r.ResumeNs),
		Pending:       int64(r.PendingNs),
		WallOffset:    d.wallOffset,
		StartedBefore: has(r.Flags, bpf.WaitsWaitFlagWAIT_STARTED_BEFORE),
		ReadyAtPark:   has(r.Flags, bpf.WaitsWaitFlagWAIT_READY_AT_PARK),
		PolledBefore:  has(r.Flags, bpf.WaitsWaitFlagWAIT_POLLED_BEFORE),
		TracksSends:   has(r.Flags, bpf.WaitsWaitFlagWAIT_TRACKS_SENDS),
		SeesEveryEdge: d.byEpoll,
		Op:            opOf[r.Op],
		Outcome:       outcomeOf[r.Outcome],
		Reason:        d.reason(r.Reason),
		StartFunc:     d.symbols.function(r.StartPc),
		Endpoint:      d.descriptors.get(r.Pd, r.PdGen),
	}
}

// waker is who ended a wait that a call of ready ended; k is nil if that was no
// goroutine.
func (d *decoder) waker(k *bpf.WaitsWaker) wait.Waker {
	if k == nil {
		return wait.Waker{}
	}
	at := d.symbols.waking(k.Stack)
	return wait.Waker{
		Goid: k.Goid, PID: d.process.PID, Line: at.line,
		RanTimer:   at.runsTimer || wait.StartsForTimer(d.symbols.creator(k.GoPc).function),
		ParentGoid: k.ParentGoid,
		Started:    int64(k.StartedNs),
		Preempted:  measured(k.PreemptedNs),
	}
}

// unmeasured is a duration that the kernel side did not measure (UNMEASURED in
// records.h).
const unmeasured = math.MaxUint64

func measured(ns uint64) time.Duration {
	if ns == unmeasured {
		return wait.Unmeasured
	}
	return time.Duration(ns)
}

// name fills in what needs no decision: who waited, and where.
func (d *decoder) name(r *bpf.WaitsWaitRecord, w *wait.Wait) {
	w.Process, w.Goid, w.ParentGoid = d.process, r.Goid, r.ParentGoid
	w.Preempted = measured(r.PreemptedNs)
	w.CreatorLine = d.symbols.creator(r.GoPc).line
	w.RTT, w.MinRTT, w.Retransmits = r.RttUs, r.MinRttUs, r.Retransmits
	w.HasTCP = has(r.Flags, bpf.WaitsWaitFlagWAIT_HAS_TCP)
	w.Poller = d.symbols.poller(r.PollerPc)
	w.P, w.TID = d.processors.id(r.P), int32(r.Tid)
	w.Stack = d.symbols.stack(r.Stack)
}

func (d *decoder) reason(number uint8) string {
	if int(number) < len(d.reasons) {
		return d.reasons[number]
	}
	return "unknown"
}
