package wait

import "time"

// CauseKind is what kind of thing a goroutine waited for in the end.
type CauseKind string

// The kinds of causes.
const (
	CauseNetwork CauseKind = "network" // a peer: until the kernel had its data
	CauseNetpoll CauseKind = "netpoll" // data was there, until the runtime noticed
	CauseSched   CauseKind = "sched"   // a goroutine was runnable, until it ran
	CauseRunning CauseKind = "running" // a goroutine ran, system calls included
	CauseTimer   CauseKind = "timer"
	CauseGC      CauseKind = "gc"
	CauseUnknown CauseKind = "unknown"
)

// Cause is what a goroutine waited for in the end, and for how long.
type Cause struct {
	Kind CauseKind
	// Peer is whom a network, netpoll or sched cause is about; empty where the
	// goroutine that ended the wait did not wait for a peer.
	Peer string
	// Line is "file:line": where a goroutine ran, or where the one that waited
	// for the peer did so. Empty when not known.
	Line string
	Time time.Duration
}

// String names the cause for people: network of db:5432.
func (c Cause) String() string {
	switch {
	case c.Peer != "":
		return string(c.Kind) + " of " + c.Peer
	case c.Kind == CauseRunning && c.Line != "":
		return string(c.Kind) + " at " + c.Line
	}
	return string(c.Kind)
}

// Explanation is what a wait was for.
type Explanation struct {
	// Causes are what the blocked part was for in the end. They add up to it.
	Causes []Cause
	// Thing is what the goroutine itself waited for.
	Thing Thing
}
