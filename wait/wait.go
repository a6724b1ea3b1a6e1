// Package wait is netpolltrace's vocabulary: what one wait of a goroutine is,
// what its parts are called, and what else a recording can say about the time
// in which it was made. It does no I/O; every other package imports it and it
// imports none of them.
//
// A goroutine parks at t0, what it waits for happens at t1, the runtime makes
// it runnable at t2, and it runs again at t3:
//
//	t0 ── network ──▶ t1 ── netpoll ──▶ t2 ── sched ──▶ t3     ended by the netpoller
//	t0 ───────────── blocked ─────────▶ t2 ── sched ──▶ t3     ended by anything else
//
// What a wait means is decided once, here: sources hand over what they saw
// ([Moments], [Descriptor], [Frame]) and get the [Wait], the [Endpoint] and the
// [Stack] that it makes. Nobody repairs, sorts or joins waits afterwards.
package wait

import "time"

// Unmeasured is the value of a duration that no probe measured. It is not
// zero: a measured 0 is a 0.
const Unmeasured time.Duration = -1

// Kind tells what a record of a recording is.
type Kind string

// The kinds of a record. A wait has one of the first three; an [Event] is
// written with the last.
const (
	KindWait   Kind = "wait"   // a finished wait
	KindOpen   Kind = "open"   // not over when the recording ended
	KindSample Kind = "sample" // estimated by sampling; Count is its weight
	// KindHandoff is no wait, but the moment at which a goroutine that had ended a
	// wait in the netpoller made the goroutine of the record runnable, which
	// waited for something else. It has Start, who and where that one is, and
	// WakerGoid; no duration is measured.
	KindHandoff Kind = "handoff"
	KindEvent   Kind = "event"
)

// Op is what a goroutine wanted of a descriptor. It is empty for a wait that
// is not about a descriptor.
type Op string

// The operations that the netpoller serves.
const (
	OpRead    Op = "read"
	OpWrite   Op = "write"
	OpAccept  Op = "accept"
	OpConnect Op = "connect"
)

// Outcome is how a wait ended.
type Outcome string

// The outcomes of a wait. A wait of [KindOpen] has none.
const (
	// OutcomeReady: what the goroutine waited for happened.
	OutcomeReady Outcome = "ready"
	// OutcomeTimeout: a deadline expired.
	OutcomeTimeout Outcome = "timeout"
	// OutcomeInterrupted: a deadline was set in the past while the goroutine
	// waited, as net/http's server does to itself after each request. It is no
	// fault.
	OutcomeInterrupted Outcome = "interrupted"
	// OutcomeClosed: the descriptor was closed while the goroutine waited.
	OutcomeClosed Outcome = "closed"
	// OutcomeUnknown: the end was seen, its cause was not.
	OutcomeUnknown Outcome = "unknown"
)

// Role is the part that a socket plays in its connection.
type Role string

// The roles of a socket; empty when it has none or it is not known.
const (
	RoleDialed    Role = "dialed"
	RoleAccepted  Role = "accepted"
	RoleListening Role = "listening"
)

// Reasons that code here tells apart. All others are passed through as the
// runtime of the target words them (runtime.waitReasonStrings).
const (
	// ReasonIO is the runtime's reason for a wait in the netpoller.
	ReasonIO = "IO wait"
	// ReasonSleep is its reason for time.Sleep.
	ReasonSleep = "sleep"
)

// Process is the program that waited.
type Process struct {
	Host string // the name of the machine it ran on
	Name string // the program's name: the base name of its executable
	PID  int32  // in the PID namespace of the tracer
}

// Frame is one function of a stack; a function inlined into another has a
// frame of its own.
type Frame struct {
	Func string // package-qualified, as the runtime prints it
	File string // as the compiler recorded it
	Line int    // 1-based; 0 when not known
}

// Stack is where a goroutine waited. Sources make one Stack for each distinct
// chain of return addresses and share it, so that a pointer identifies it.
type Stack struct {
	// Funcs is the functions, root first, joined by ";": the folded form.
	Funcs string
	// Lines is "file:line" of each frame, in the order of Funcs, joined by ";".
	Lines string
	// Line is "file:line" of the innermost frame outside the standard library;
	// where there is no such frame, of the function that the goroutine was
	// started with.
	Line string
	// Func is the function of that frame.
	Func string
	// Via is the library function that did the waiting, if the frame of Line
	// is not the one that did; empty when it is, or not known.
	Via string
	// Own is the functions of the program's own modules, root first, joined by
	// ";"; empty when there is none, or not known.
	Own string
}

// Wait is one wait of one goroutine. A *Wait handed to a [Sink] is valid only
// until the call returns; the strings and the pointers in it stay valid.
type Wait struct {
	Kind  Kind
	Start int64 // when it parked, in nanoseconds since the Unix epoch

	// Total is the time from park to running again; for an open wait its age.
	Total time.Duration
	// Network is the time until the kernel had what the goroutine waited for.
	Network time.Duration
	// Netpoll is the time from then until the runtime made it runnable.
	Netpoll time.Duration
	// Blocked is the time until it was made runnable, for waits that the
	// netpoller did not end, and for sources that cannot split it.
	Blocked time.Duration
	// Sched is the time from runnable to running.
	Sched time.Duration
	// Idle is the part of Network in which no reply was pending. It is set
	// also when Network itself was not measured.
	Idle time.Duration
	// Answered is, for a read of an accepted socket, the time from the request
	// being readable to the first send of its answer.
	Answered time.Duration
	// Preempted is the time for which the goroutine was runnable but did not run,
	// from the end of its last wait, or its start, to this park.
	Preempted time.Duration

	Process *Process
	Goid    uint64 // 0 when not known
	Reason  string // in the runtime's own words

	// ByTimer: a timer ended the wait. It ran on no goroutine, on one that used a
	// channel that it sends on, or on one of its own (time.AfterFunc, a context's
	// deadline); the waker is that one.
	ByTimer   bool
	WakerGoid uint64 // who made it runnable; 0 when not known or no goroutine
	WakerPID  int32  // the process of that one; 0 when not known
	WakerLine string // "file:line" where it was; empty when not known
	// WakerPreempted is the time for which the waker was runnable but did not
	// run, from the end of its last wait, or its start, to this wake-up.
	WakerPreempted time.Duration
	// WakerStarted is the time from Start to the first run of the waker. It is
	// [Unmeasured] if that one ran before Start already, and if it is not known.
	WakerStarted    time.Duration
	WakerParentGoid uint64 // who started the waker; 0 when not known

	ParentGoid  uint64 // who executed the go statement of the goroutine; 0 when not known
	CreatorLine string // "file:line" of that statement; empty when not known
	Labels      string // the goroutine's pprof labels, k=v joined by ";"

	Op      Op
	Outcome Outcome
	FD      int32  // -1 when there is none
	Proto   string // tcp, udp, unix, pipe, ...; empty when not known
	Role    Role
	Local   string // address as text; empty when not known
	Peer    string

	// RTT (smoothed) and MinRTT (the minimum of the last minutes), both in
	// microseconds, and Retransmits (during the wait) are of the TCP socket, and
	// mean something only if HasTCP is set. A peer that acknowledges a request
	// only with its answer makes RTT as long as it takes to answer; MinRTT is
	// what the wire alone can do.
	RTT         uint32
	MinRTT      uint32
	Retransmits uint32
	HasTCP      bool

	Poller        string // who found the event; empty when not known
	P             int32  // processor it resumed on, -1 when not known
	TID           int32  // thread it resumed on, -1 when not known
	StartedBefore bool   // parked before the recording began: Total is a lower bound
	Count         uint64 // 1, or a sample's weight

	// Explanation says what the wait was for. A report's explanation fills it in,
	// and does not keep it; nil before that. It is not recorded.
	Explanation *Explanation

	StartFunc string // the function that the goroutine was started with
	Stack     *Stack // nil when it could not be read
}

// Empty is a wait of which nothing is known: no duration is measured, and what
// has a value for "none" or "not known" has it.
func Empty() Wait {
	return Wait{
		Total:    Unmeasured,
		Network:  Unmeasured,
		Netpoll:  Unmeasured,
		Blocked:  Unmeasured,
		Sched:    Unmeasured,
		Idle:     Unmeasured,
		Answered: Unmeasured,

		Preempted:      Unmeasured,
		WakerPreempted: Unmeasured,
		WakerStarted:   Unmeasured,

		FD:    -1,
		P:     -1,
		TID:   -1,
		Count: 1,
	}
}

// Unsplit is the part of the total that no probe could attribute.
func (w *Wait) Unsplit() time.Duration {
	rest := w.Total
	for _, part := range [...]time.Duration{w.Network, w.Netpoll, w.Blocked, w.Sched} {
		if part != Unmeasured {
			rest -= part
		}
	}
	return rest
}

// Awaited is the part of the total in which somebody waited for an answer:
// all of it but the idle part.
func (w *Wait) Awaited() time.Duration {
	if w.Idle == Unmeasured {
		return w.Total
	}
	return w.Total - w.Idle
}
