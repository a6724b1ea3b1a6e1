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
	// Own is "file:line" of the nearest of the program's own code through which
	// the cause was reached: where another goroutine waited or ran meanwhile.
	// OwnFunc is its function. Both are empty where only goroutines of libraries
	// stand between the wait and the cause.
	Own, OwnFunc string
	Time         time.Duration
}

// String names the cause for people: network of db:5432. That a goroutine did not
// run is nothing of a peer's, whatever that one waited for before.
func (c Cause) String() string {
	switch {
	case c.Peer != "" && c.Kind != CauseSched:
		return string(c.Kind) + " of " + c.Peer
	case c.Kind == CauseRunning && c.Line != "":
		return string(c.Kind) + " at " + c.Line
	}
	return string(c.Kind)
}

// For is who is kept waiting by a wait.
type For string

// Who is kept waiting.
const (
	ForRequest    For = "request"    // who asked over an accepted connection
	ForMain       For = "main"       // the main goroutine, or a test
	ForBackground For = "background" // nobody who is known
)

// IdleKind says why nobody awaits a blocked wait.
type IdleKind string

// The kinds of idle blocked waits.
const (
	// IdleWork: a worker waited until someone whom it serves had work for it.
	IdleWork IdleKind = "work"
	// IdleTimer: a loop in the background waited for its next turn.
	IdleTimer IdleKind = "timer"
)

// Explanation is what a wait was for, whom it kept waiting and how it is to be
// counted.
type Explanation struct {
	// Causes are what the blocked part was for in the end. They add up to it.
	Causes []Cause
	// Thing is what the goroutine itself waited for.
	Thing Thing
	// Peer names the cause that was the largest, of a wait that the netpoller was
	// not to end and whose thing does not tell what it was for: a peer, timer or
	// gc, else the thing. Empty for the others.
	Peer string
	// For is who is kept waiting; empty for a library's wait where nobody sees
	// whom it is for.
	For For
	// Idle is set where nobody awaits the wait; those of the netpoller have an
	// idle part instead.
	Idle IdleKind
	// Library tells that no code of the program is on the stack and that
	// whoever waits for it has a wait of his own which is explained by it.
	Library bool
	// Served is the waits of libraries that this wait was explained by and that
	// explained no other one before.
	Served Served
}

// Served counts waits of libraries, and the time that they were awaited.
type Served struct {
	Waits uint64
	Time  time.Duration
}
