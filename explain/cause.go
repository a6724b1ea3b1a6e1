package explain

import "strings"

// Kind is what kind of thing a goroutine waited for in the end.
type Kind string

// The kinds of causes.
const (
	Network Kind = "network" // a peer: until the kernel had its data
	Netpoll Kind = "netpoll" // data was there, until the runtime noticed
	Sched   Kind = "sched"   // a goroutine was runnable, until it ran
	Running Kind = "running" // a goroutine ran, system calls included
	Timer   Kind = "timer"
	GC      Kind = "gc"
	Unknown Kind = "unknown"
)

// Cause is one thing that a goroutine waited for in the end.
type Cause struct {
	Kind Kind
	// Peer is whom a Network, Netpoll or Sched cause is about; empty where the
	// goroutine that ended the wait did not wait for a peer.
	Peer string
	// Line is "file:line": where a goroutine ran (Running), or where the one
	// that waited for the peer did so. Empty when not known.
	Line string
}

// String names the cause for people: network of db:5432.
func (c Cause) String() string {
	switch {
	case c.Peer != "":
		return string(c.Kind) + " of " + c.Peer
	case c.Kind == Running && c.Line != "":
		return string(c.Kind) + " at " + c.Line
	}
	return string(c.Kind)
}

// causeID is a cause's number in a [causes].
type causeID uint32

const unknownCause causeID = 0

// maxCauses bounds how many causes are told apart. Beyond it only their kinds are.
const maxCauses = 1 << 16

// causes numbers causes.
type causes struct {
	list []Cause
	ids  map[Cause]causeID
	// dropped counts the causes that lost their peer and line, as there were too
	// many different ones.
	dropped uint64
}

func newCauses() causes {
	c := causes{ids: make(map[Cause]causeID)}
	c.id(Cause{Kind: Unknown})
	return c
}

func (c *causes) id(cause Cause) causeID {
	if id, ok := c.ids[cause]; ok {
		return id
	}
	if len(c.list) >= maxCauses && cause != (Cause{Kind: cause.Kind}) {
		c.dropped++
		return c.id(Cause{Kind: cause.Kind})
	}
	cause.Peer, cause.Line = strings.Clone(cause.Peer), strings.Clone(cause.Line)
	id := causeID(len(c.list))
	c.list = append(c.list, cause)
	c.ids[cause] = id
	return id
}
