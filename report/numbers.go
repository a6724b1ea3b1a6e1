package report

import (
	"time"

	"github.com/netpolltrace/netpolltrace/wait"
)

// Numbers is what the finished waits of a group add up to. A duration that no
// wait of the group has is [wait.Unmeasured].
type Numbers struct {
	Waits    uint64 // finished; a sample counts with its weight
	Timeouts uint64 // of Waits: ended by a deadline
	// StartedBefore counts those of Waits that began before the recording: their
	// times are lower bounds.
	StartedBefore uint64

	// Network + Netpoll + Blocked + Sched + Unsplit = Total, where one that
	// was not measured counts as nothing.
	Total, Network, Netpoll, Blocked, Sched, Unsplit time.Duration

	// Waits that lack a part which they should have.
	NoNetwork, NoNetpoll, NoBlocked, NoSched uint64
	// Waits in the netpoller of which it is not known how they ended, and who
	// found the event.
	NoOutcome, NoPoller uint64

	// Of the total, without waits that began before the recording.
	P50, P90, P99, Max time.Duration
	// Of the parts.
	NetworkP99, NetpollP99, SchedP99 time.Duration
}

// nothing returns the numbers of no waits.
func nothing() Numbers {
	const none = wait.Unmeasured
	return Numbers{
		Network: none, Netpoll: none, Blocked: none, Sched: none,
		P50: none, P90: none, P99: none, Max: none,
		NetworkP99: none, NetpollP99: none, SchedP99: none,
	}
}

// plus adds the sums of other. Percentiles cannot be added: the result has
// none, but for the maximum.
func (n Numbers) plus(other Numbers) Numbers {
	sum := nothing()
	sum.Waits = n.Waits + other.Waits
	sum.Timeouts = n.Timeouts + other.Timeouts
	sum.StartedBefore = n.StartedBefore + other.StartedBefore
	sum.Total = n.Total + other.Total
	sum.Network = plus(n.Network, other.Network)
	sum.Netpoll = plus(n.Netpoll, other.Netpoll)
	sum.Blocked = plus(n.Blocked, other.Blocked)
	sum.Sched = plus(n.Sched, other.Sched)
	sum.Unsplit = n.Unsplit + other.Unsplit
	sum.NoNetwork = n.NoNetwork + other.NoNetwork
	sum.NoNetpoll = n.NoNetpoll + other.NoNetpoll
	sum.NoBlocked = n.NoBlocked + other.NoBlocked
	sum.NoSched = n.NoSched + other.NoSched
	sum.NoOutcome = n.NoOutcome + other.NoOutcome
	sum.NoPoller = n.NoPoller + other.NoPoller
	sum.Max = max(n.Max, other.Max)
	return sum
}

// plus adds two durations of which one that was not measured is nothing.
func plus(a, b time.Duration) time.Duration {
	switch {
	case a == wait.Unmeasured:
		return b
	case b == wait.Unmeasured:
		return a
	}
	return a + b
}

// Row is one group of waits.
type Row struct {
	// Key holds the text of each key of the table, in its order; empty where
	// the waits have no such thing or it is not known.
	Key []string
	// Other is set for the row of all that came after the last group allowed
	// ([Options.MaxGroups]).
	Other bool
	// Stack is where the first of the waits was; nil if it is not known.
	Stack *wait.Stack

	All     Numbers // all finished waits, with their idle time
	Awaited Numbers // without idle time; the package's comment says how
	// Shown is what people are shown: of the program's own waits what was awaited
	// (with [Options.Idle] all of all waits), with the blocked time that libraries
	// waited for something in the part in which they did.
	Shown Numbers
	Idle  time.Duration
	// Causes are what the blocked part of the waits was for, the longest first;
	// they add up to All.Blocked. Empty where the waits were not explained.
	Causes []wait.Cause

	Open          uint64        // waits that were not over at the end
	OpenTime      time.Duration // their ages together
	StartedBefore uint64        // waits of All and Open that began before the recording

	// Callers are the chains of the program's functions that waited, root first and
	// joined by ";", the longest first.
	Callers []Share[string]
	// Holder is who kept the waits waiting longest; zero if nobody is known.
	Holder Share[Holder]
	// InUse is how many of a pool were in use at one time, at least; 0 if that is
	// not known.
	InUse int

	// FDs are descriptors of the open waits, at most [MaxFDs] of them, and
	// MoreFDs tells that there are more. Only if [Options.FDs] asks for them.
	FDs     []int32
	MoreFDs bool
}

// MaxFDs is how many descriptors a row names.
const MaxFDs = 8

// Plus returns a row that holds the sums of both, without a key.
func (r *Row) Plus(other *Row) Row {
	return Row{
		All:           r.All.plus(other.All),
		Awaited:       r.Awaited.plus(other.Awaited),
		Shown:         r.Shown.plus(other.Shown),
		Idle:          plus(r.Idle, other.Idle),
		Open:          r.Open + other.Open,
		OpenTime:      r.OpenTime + other.OpenTime,
		StartedBefore: r.StartedBefore + other.StartedBefore,
	}
}

// NoWaits returns a row without a wait, to which others can be added.
func NoWaits() Row {
	return Row{All: nothing(), Awaited: nothing(), Shown: nothing(), Idle: wait.Unmeasured}
}
