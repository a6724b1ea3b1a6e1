package wait

import "time"

// Mode is how much of a program is seen, at what cost; docs/how-it-works.md
// compares the modes.
type Mode string

// The modes.
const (
	ModeAuto   Mode = "auto"   // what fits the budget; a recording says what that was
	ModeIO     Mode = "io"     // waits in the netpoller
	ModeAll    Mode = "all"    // every park of every goroutine
	ModeSample Mode = "sample" // estimated from snapshots
	ModeImport Mode = "import" // from a Go execution trace
)

// Part is something of a wait that is measured. Its text is what reports call it.
type Part string

// The parts of a wait, and what else a recording can lack.
const (
	PartNetwork Part = "network"
	PartNetpoll Part = "netpoll"
	PartBlocked Part = "blocked"
	PartSched   Part = "sched"
	PartIdle    Part = "idle"
	// PartIdleOther is the idle part of sockets other than TCP.
	PartIdleOther Part = "idle of UDP and unix sockets"
	PartOutcome   Part = "outcome" // how a wait ended
	PartPoller    Part = "poller"  // who found the event
	// PartHandoffs is whom the goroutines of the netpoller's waits made runnable
	// then ([KindHandoff]); mode all tells it by [Wait.WakerGoid] instead.
	PartHandoffs Part = "handoffs"
	// PartEnds is the end of a wait: one that is missing hides the whole wait.
	PartEnds Part = "ends of waits"
)

// Meta is what a recording says once, about all of its waits.
type Meta struct {
	// Targets are the programs that were recorded from the start. Those that
	// joined later are told by events ([TargetChange]).
	Targets []Target
	Host    string // the machine's name
	Kernel  string // release, as uname -r prints it
	Arch    string // as Go names it: amd64, arm64
	Tool    string // version of netpolltrace
	// Probes is the plan that was chosen: one line a probe, saying what is
	// measured with it and why this one.
	Probes []string
	// Started is when the recording began.
	Started time.Time
	// ClockBase is the monotonic clock (CLOCK_MONOTONIC, nanoseconds) at
	// Started: it relates the recording to other traces of the same boot.
	ClockBase int64
	// Unmeasured tells by part why this machine does not measure it, or only
	// for some waits. What a single target lacks is in [Target.Unmeasured].
	Unmeasured map[Part]string
	// Unverified says what about this kind of recording has never been tried on a
	// system such as this one; empty if all was.
	Unverified string
	// Redacted is set when addresses were replaced.
	Redacted bool
}

// Target is a program that was recorded. The names in JSON are those of a
// recording's metadata and of its events.
type Target struct {
	Exe        string   `json:"exe"`            // path of the executable, as the target sees it
	PID        int      `json:"pid"`            // in the PID namespace of the tracer
	Go         string   `json:"go"`             // version, as runtime.Version prints it: go1.26.8
	BuildID    string   `json:"build_id"`       // Go's build ID; empty when it was stripped
	GOMAXPROCS int      `json:"gomaxprocs"`     // 0 when not known
	Args       []string `json:"args,omitempty"` // only when it was asked for
	// Modules tell later whose code a function is ([NewCode]); nil when nothing is
	// known of them.
	Modules *Modules `json:"modules,omitempty"`
	// Mode is the one in which its recording began; changes are events
	// ([ModeChange]).
	Mode Mode `json:"mode"`
	// Unmeasured tells by part why this program does not have it, or only for
	// some waits.
	Unmeasured map[Part]string `json:"unmeasured,omitempty"`
}
