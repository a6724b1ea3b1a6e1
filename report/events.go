package report

import (
	"maps"
	"slices"
	"time"

	"github.com/netpolltrace/netpolltrace/wait"
)

// maxCosts bounds the processes whose cost is kept apart.
const maxCosts = 1000

// Events is what the events of recordings add up to.
type Events struct {
	Seconds float64 // how long was recorded
	// Truncated is set when a recording has no end: it was cut off.
	Truncated bool
	Lost      uint64 // records that could not be delivered
	// Overhead is the CPU time that the probes cost, in percent of what the
	// targets used; negative when it was not measured.
	Overhead float64
	// Notes are the losses by place, what waits lack, changes of mode and what
	// became of the targets, in the order in which they were first said.
	Notes []Note
}

// events adds up what one recording says besides waits, in one window.
type events struct {
	first, last int64 // of waits and events, nanoseconds since the epoch
	lost        uint64
	ends        int
	length      time.Duration
	cost        cost           // of all processes
	costs       map[int32]cost // by PID
}

// cost is the CPU time that the probes took, and all that the process used.
type cost struct{ overhead, cpu time.Duration }

func (c cost) plus(other cost) cost {
	return cost{overhead: c.overhead + other.overhead, cpu: c.cpu + other.cpu}
}

// percent is negative when it is not known. More than all of the CPU time is no
// share of it: such readings do not belong together, as in a recording that is
// shorter than the interval in which they are taken.
func (c cost) percent() float64 {
	if c.cpu <= 0 || c.overhead > c.cpu {
		return -1
	}
	return 100 * float64(c.overhead) / float64(c.cpu)
}

// known is the cost of the processes whose CPU time is known. Where events name
// no process it is that of all.
func (e *events) known() cost {
	if len(e.costs) == 0 {
		return e.cost
	}
	var sum cost
	for _, c := range e.costs {
		if c.cpu > 0 {
			sum = sum.plus(c)
		}
	}
	return sum
}

// span widens the time of which something is known.
func (e *events) span(start int64, length time.Duration) {
	if e.first == 0 || start < e.first {
		e.first = start
	}
	e.last = max(e.last, start+int64(max(length, 0)))
}

func (e *events) add(event *wait.Event) {
	e.span(event.Start, event.Duration)
	length := max(event.Duration, 0)
	switch event.Kind {
	case wait.EventLost:
		e.lost += event.Count
	case wait.EventOverhead:
		e.spend(event.Process, cost{overhead: length})
	case wait.EventCPU:
		e.spend(event.Process, cost{cpu: length})
	case wait.EventEnd:
		e.ends++
		e.length += length
	}
}

func (e *events) spend(process *wait.Process, c cost) {
	e.cost = e.cost.plus(c)
	if process != nil {
		e.spendOf(process.PID, c)
	}
}

func (e *events) spendOf(pid int32, c cost) {
	if _, ok := e.costs[pid]; !ok && len(e.costs) == maxCosts {
		return
	}
	if e.costs == nil {
		e.costs = map[int32]cost{}
	}
	e.costs[pid] = e.costs[pid].plus(c)
}

// plus returns what both add up to, which stay as they are. Either can be nil.
func (e *events) plus(other *events) *events {
	switch {
	case e == nil:
		return other
	case other == nil:
		return e
	}
	sum := *e
	sum.span(other.first, time.Duration(other.last-other.first))
	sum.lost += other.lost
	sum.ends += other.ends
	sum.length += other.length
	sum.cost = e.cost.plus(other.cost)
	sum.costs = maps.Clone(e.costs)
	for pid, c := range other.costs {
		sum.spendOf(pid, c)
	}
	return &sum
}

// plusEvents returns what both add up to, by recording.
func plusEvents(a, b []*events) []*events {
	if len(a) < len(b) {
		a, b = b, a
	}
	sum := slices.Clone(a)
	for i, e := range b {
		sum[i] = sum[i].plus(e)
	}
	return sum
}

// began is when the recording of these events began.
func (e *events) began(meta *wait.Meta) int64 {
	if meta != nil && !meta.Started.IsZero() {
		return meta.Started.UnixNano()
	}
	return e.first
}

// recorded is how long the recording is, as far as it is known.
func (e *events) recorded(meta *wait.Meta) time.Duration {
	if e.ends > 0 {
		return e.length
	}
	return time.Duration(max(0, e.last-e.began(meta)))
}

// summary is what the events of all recordings add up to, by their number.
func summary(all []*events, metas []wait.Meta) Events {
	var s Events
	var c cost
	for i := range max(1, len(metas), len(all)) {
		e := eventsAt(all, i)
		s.Seconds += e.recorded(metaAt(metas, i)).Seconds()
		s.Truncated = s.Truncated || e.ends == 0
		s.Lost += e.lost
		c = c.plus(e.known())
	}
	s.Overhead = c.percent()
	return s
}

// eventsAt are those of a recording, of which perhaps nothing is known.
func eventsAt(all []*events, recording int) *events {
	if recording < len(all) && all[recording] != nil {
		return all[recording]
	}
	return &events{}
}

// metaAt is that of a recording; nil if there is none.
func metaAt(metas []wait.Meta, recording int) *wait.Meta {
	if recording < len(metas) {
		return &metas[recording]
	}
	return nil
}

// bounds are the first and the last moment of which something is known.
func bounds(all []*events) (first, last int64) {
	var sum *events
	for _, e := range all {
		sum = sum.plus(e)
	}
	if sum == nil {
		return 0, 0
	}
	return sum.first, sum.last
}
