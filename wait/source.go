package wait

import (
	"context"
	"time"
)

// Sink takes what a source produces. Its methods are called from one
// goroutine at a time.
type Sink interface {
	Wait(*Wait) error
	Event(*Event) error
}

// Source is where the waits of running programs come from: probes, snapshots,
// D scripts. Whoever opened it has settled what is recorded; from then on waits
// are gathered, and Run hands them on.
type Source interface {
	// Meta is what there is to say about the recording, complete as soon as
	// the source is open. What changes after it was asked for is told by events.
	Meta() *Meta
	// Run delivers waits and events to the sink until the context ends or
	// nothing is left to record; neither is an error. It delivers what is left,
	// with the waits that are still open, before it returns.
	Run(ctx context.Context, sink Sink) error
	// Stats are the figures so far. It may be called at any time.
	Stats() Stats
	// SetMode records a process in another mode from now on; nil means all
	// processes. A source that has one mode only refuses the others.
	SetMode(p *Process, mode Mode) error
	// Close detaches whatever is attached. It may be called without Run.
	Close() error
}

// Stats are the figures of a recording under way.
type Stats struct {
	Delivered uint64 // waits
	Lost      uint64 // waits that could not be delivered
	// Processes are those that are recorded now, in the order in which they
	// joined.
	Processes []ProcessStats
}

// ProcessStats are the figures of one process.
type ProcessStats struct {
	Process *Process
	Mode    Mode
	Hits    uint64        // of probes
	Cost    time.Duration // CPU time of the process that they took
	CPU     time.Duration // that it used so far; Unmeasured if not known
}
