package wait

import "time"

// EventKind is what an [Event] is about.
type EventKind string

// The kinds of events. In the comment: what Count and Duration mean, and the
// type of Detail if there is one.
const (
	// EventLost: Count records could not be delivered; Note says where.
	EventLost EventKind = "lost"
	// EventIncomplete: Count waits were recorded without something, such as
	// their stack; Note says what.
	EventIncomplete EventKind = "incomplete"
	// EventMode: from here on the process is recorded in another mode, or a
	// mode was kept although it is over its limit; Note says why. [ModeChange].
	EventMode EventKind = "mode"
	// EventHandoffs: from here on handoffs are recorded, or not any longer; Note
	// says why. [HandoffChange].
	EventHandoffs EventKind = "handoffs"
	// EventThrottled: in the interval of Duration a cgroup of the process was
	// throttled Count times. [Throttling].
	EventThrottled EventKind = "throttled"
	// EventRunDelay: Duration is the time that the process's threads were
	// runnable without a CPU in the interval; Count is the number of threads.
	// [RunDelay].
	EventRunDelay EventKind = "run_delay"
	// EventCPU: Duration is the CPU time that the process used in the interval.
	// [CPU].
	EventCPU EventKind = "cpu"
	// EventOverhead: Count probe hits that cost the process Duration of CPU.
	// [Price].
	EventOverhead EventKind = "overhead"
	// EventTarget: a process joined the recording, exited, was killed or ran
	// another program; Note says which in words. [TargetChange].
	EventTarget EventKind = "target"
	// EventEnd: the recording ended in good order; Duration is its length.
	EventEnd EventKind = "end"
)

// Event is what a recording says besides waits. A *Event handed to a [Sink]
// is valid only until the call returns.
type Event struct {
	Kind     EventKind
	Start    int64         // in nanoseconds since the Unix epoch
	Duration time.Duration // Unmeasured when the kind has none
	Count    uint64
	Process  *Process
	Note     string // a sentence for people; empty when the figures say all
	Detail   Detail // what the kind has figures for; nil when it has none
}

// Detail is the figures of an event: one type for each kind that has some. The
// names in JSON are those of the recording's column attributes, and as much a
// promise as its columns. Figures that are not known are 0 and left out.
type Detail interface {
	// EventKind is the kind of events that have this detail.
	EventKind() EventKind
}

// CPU is the detail of [EventCPU]: what the host allows the process.
type CPU struct {
	Interval   time.Duration `json:"interval_ns,omitempty"`
	GOMAXPROCS int           `json:"gomaxprocs,omitempty"`
	Quota      float64       `json:"quota_cpus,omitempty"` // the lowest of all limits
	Online     int           `json:"online_cpus,omitempty"`
	Allowed    int           `json:"allowed_cpus,omitempty"` // by the CPU mask
}

// Throttling is the detail of [EventThrottled]: what a cgroup's cpu.stat
// counted in the interval.
type Throttling struct {
	Cgroup    string        `json:"cgroup,omitempty"`
	Periods   uint64        `json:"periods"`
	Throttled uint64        `json:"throttled"`
	Time      time.Duration `json:"throttled_ns"`
	Quota     float64       `json:"quota_cpus,omitempty"`
}

// RunDelay is the detail of [EventRunDelay].
type RunDelay struct {
	Interval time.Duration `json:"interval_ns,omitempty"`
}

// Price is the detail of [EventOverhead]: what one hit of a probe costs.
type Price struct {
	// Trap is one hit of a uprobe that does nothing, on an emulated instruction.
	Trap time.Duration `json:"trap_ns,omitempty"`
	// Uprobe and Hook are the average run of a program, at a uprobe and in the
	// kernel; 0 until they were timed, and where they cannot be (timing them
	// needs CAP_SYS_ADMIN).
	Uprobe time.Duration `json:"uprobe_ns,omitempty"`
	Hook   time.Duration `json:"hook_ns,omitempty"`
}

// ModeChange is the detail of [EventMode].
type ModeChange struct {
	Mode Mode `json:"mode"` // from here on
}

// HandoffChange is the detail of [EventHandoffs].
type HandoffChange struct {
	Recorded bool `json:"recorded"` // from here on
}

// TargetState is what became of a process.
type TargetState string

// The states of a target.
const (
	TargetJoined TargetState = "joined" // its part of the recording begins
	TargetExited TargetState = "exited"
	TargetExec   TargetState = "exec" // it runs another program
	TargetLeft   TargetState = "left" // its part ended for another reason; see Note
)

// TargetChange is the detail of [EventTarget].
type TargetChange struct {
	State  TargetState `json:"state"`
	Target *Target     `json:"target,omitempty"` // of one that joined
}

// EventKind implements [Detail].
func (*CPU) EventKind() EventKind { return EventCPU }

// EventKind implements [Detail].
func (*Throttling) EventKind() EventKind { return EventThrottled }

// EventKind implements [Detail].
func (*RunDelay) EventKind() EventKind { return EventRunDelay }

// EventKind implements [Detail].
func (*Price) EventKind() EventKind { return EventOverhead }

// EventKind implements [Detail].
func (*ModeChange) EventKind() EventKind { return EventMode }

// EventKind implements [Detail].
func (*HandoffChange) EventKind() EventKind { return EventHandoffs }

// EventKind implements [Detail].
func (*TargetChange) EventKind() EventKind { return EventTarget }

// NewDetail returns an empty detail for events of a kind; nil where the kind
// has none.
func NewDetail(kind EventKind) Detail {
	switch kind {
	case EventCPU:
		return new(CPU)
	case EventThrottled:
		return new(Throttling)
	case EventRunDelay:
		return new(RunDelay)
	case EventOverhead:
		return new(Price)
	case EventMode:
		return new(ModeChange)
	case EventHandoffs:
		return new(HandoffChange)
	case EventTarget:
		return new(TargetChange)
	}
	return nil
}
