package probes

import (
	"strings"
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
	began       int64 // CLOCK_MONOTONIC at the start of the recording
	reasons     []string
	descriptors *descriptors
	symbols     *symbols
	processors  *processors
	// byEpoll: every edge of readiness is seen, so that a wait during which
	// none came was over before it began.
	byEpoll bool
}

// wait fills w from a finished wait.
func (d *decoder) wait(r *bpf.WaitsWaitRecord, w *wait.Wait) {
	*w = wait.Wait{
		Kind:          wait.KindWait,
		Start:         int64(r.ParkNs) + d.wallOffset,
		Total:         time.Duration(r.ResumeNs - r.ParkNs),
		Process:       d.process,
		Goid:          r.Goid,
		WakerGoid:     r.WakerGoid,
		Reason:        d.reason(r.Reason),
		Op:            opOf[r.Op],
		Outcome:       outcomeOf[r.Outcome],
		FD:            -1,
		RTT:           r.RttUs,
		MinRTT:        r.MinRttUs,
		Retransmits:   r.Retransmits,
		HasTCP:        has(r.Flags, bpf.WaitsWaitFlagWAIT_HAS_TCP),
		Poller:        d.symbols.poller(r.PollerPc),
		P:             d.processors.id(r.P),
		TID:           int32(r.Tid),
		StartedBefore: has(r.Flags, bpf.WaitsWaitFlagWAIT_STARTED_BEFORE),
		Count:         1,
		StartFunc:     d.symbols.function(r.StartPc),
		Stack:         d.symbols.stack(r.Stack),
	}
	moments := momentsOf(r, d.byEpoll)
	moments.split(w)
	w.Idle = wait.Unmeasured
	if r.Pd == 0 {
		if ofRuntime(w.StartFunc) {
			w.Idle = moments.span()
		}
		return
	}
	on := d.descriptors.get(r.Pd, r.PdGen)
	on.fill(w)
	w.Idle = idle(w, on, moments, r)
}

// ofRuntime tells whether a goroutine is the runtime's own, such as an idle
// worker of the garbage collector, by the function that it was started with:
// nobody waits for it to go on. runtime.main runs the program's main.
func ofRuntime(start string) bool {
	return strings.HasPrefix(start, "runtime.") && start != "runtime.main"
}

func (d *decoder) reason(number uint8) string {
	if int(number) < len(d.reasons) {
		return d.reasons[number]
	}
	return "unknown"
}

func (d *descriptor) fill(w *wait.Wait) {
	w.FD, w.Proto, w.Role, w.Local, w.Peer = d.fd, d.proto, d.role, d.local, d.peer
}

// moments are when a wait went from one part to the next, in nanoseconds of
// CLOCK_MONOTONIC; 0 is not seen.
type moments struct {
	park, ready, runnable, resume int64
	netpoll                       bool // the netpoller ended it
}

// momentsOf settles what the kernel's record leaves open. A moment before the
// park is clamped to it. Where epoll_wait had returned the event before the
// park and none came since, that event is what ended the wait; the same holds
// for readiness, where every edge of it is seen.
func momentsOf(r *bpf.WaitsWaitRecord, byEpoll bool) moments {
	m := moments{
		park:     int64(r.ParkNs),
		runnable: int64(r.RunnableNs),
		resume:   int64(r.ResumeNs),
		netpoll:  r.Pd != 0 && bpf.WaitsWaitOutcome(r.Outcome) == bpf.WaitsWaitOutcomeOUTCOME_READY,
	}
	switch {
	case !m.netpoll:
	case m.runnable == 0 && has(r.Flags, bpf.WaitsWaitFlagWAIT_POLLED_BEFORE):
		// What epoll_wait had returned was ready too, whatever came later.
		m.ready, m.runnable = m.park, m.park
	default:
		m.ready = int64(r.ReadyNs)
		if m.ready > m.runnable && m.runnable != 0 {
			m.ready = 0 // a later edge; the one that counted was not seen
		}
		if has(r.Flags, bpf.WaitsWaitFlagWAIT_READY_AT_PARK) || m.ready == 0 && byEpoll && m.runnable != 0 {
			m.ready = m.park
		}
	}
	m.runnable = clamp(m.runnable, m.park, m.resume)
	m.ready = clamp(m.ready, m.park, m.resume)
	return m
}

func clamp(t, low, high int64) int64 {
	if t == 0 {
		return 0
	}
	return min(max(t, low), high)
}

// split fills in the parts that were measured.
func (m moments) split(w *wait.Wait) {
	w.Network, w.Netpoll, w.Blocked, w.Sched = wait.Unmeasured, wait.Unmeasured, wait.Unmeasured, wait.Unmeasured
	if m.runnable != 0 {
		w.Sched = time.Duration(m.resume - m.runnable)
	}
	switch {
	case !m.netpoll && m.runnable != 0:
		w.Blocked = time.Duration(m.runnable - m.park)
	case m.ready != 0:
		w.Network = time.Duration(m.ready - m.park)
		if m.runnable != 0 {
			w.Netpoll = time.Duration(m.runnable - m.ready)
		}
	}
}

// span is the time until what was waited for happened, as near as it was seen.
func (m moments) span() time.Duration {
	for _, end := range [...]int64{m.ready, m.runnable, m.resume} {
		if end != 0 {
			return time.Duration(end - m.park)
		}
	}
	return 0
}

// idle is the part of a wait in which no answer was owed.
func idle(w *wait.Wait, on *descriptor, m moments, r *bpf.WaitsWaitRecord) time.Duration {
	switch {
	case w.Op == wait.OpWrite || w.Op == wait.OpConnect:
		return 0
	case w.Op == wait.OpAccept || w.Role == wait.RoleAccepted || on.servesAnyone():
		return m.span()
	case w.Role != wait.RoleDialed || !has(r.Flags, bpf.WaitsWaitFlagWAIT_TRACKS_SENDS):
		return wait.Unmeasured
	case r.OwedNs == 0:
		return m.span()
	}
	owed := clamp(int64(r.OwedNs), m.park, m.resume)
	return min(time.Duration(owed-m.park), m.span())
}

// servesAnyone tells whether the socket is a datagram socket without a peer:
// it reads what anybody sends it, so nobody owes it an answer.
func (d *descriptor) servesAnyone() bool {
	datagrams := d.kind == bpf.WaitsFdKindFD_UDP || d.kind == bpf.WaitsFdKindFD_UNIXGRAM
	return datagrams && d.role == ""
}

// open fills w from a slot whose wait is not over at now; owed is since when an
// answer has been owed, 0 if none is.
func (d *decoder) open(slot *bpf.WaitsSlot, owed, now int64, w *wait.Wait) {
	r := bpf.WaitsWaitRecord{
		Reason: slot.Reason, Op: slot.Op, Flags: slot.Flags, Goid: slot.Goid, StartPc: slot.StartPc,
		ParkNs: slot.ParkNs, ResumeNs: max(uint64(now), slot.ParkNs), OwedNs: uint64(owed),
		Stack: slot.Stack, Pd: slot.Pd, PdGen: slot.PdGen,
	}
	d.wait(&r, w)
	w.Kind, w.Outcome, w.TID = wait.KindOpen, "", -1
}
