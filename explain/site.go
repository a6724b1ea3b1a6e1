package explain

import "github.com/netpolltrace/netpolltrace/wait"

// Bounds of what is kept of sites: how many, at least, and of each how many peers
// and causes.
const (
	maxSites  = 1 << 14
	maxAtSite = 1 << 8
)

// site is the causes of what goroutines do at one stack, so that they are looked up
// once.
type site struct {
	where               // what the stack tells
	own     *wait.Stack // the stack, if code of the program is on it; else nil
	line    string
	running causeID // up to a wait here
	sched   causeID // after a wait here that another goroutine ended

	// address is of the one that was waited for last, and about the causes of that:
	// its own, or of the port that it came to.
	address string
	about   about
	peers   map[string]about // by address

	reached map[causeID]causeID // what causes are to those who wait for a goroutine here
}

// about is the causes of a wait for a peer.
type about struct {
	network, netpoll, sched causeID
	unknown                 causeID // of the time that no part tells
}

// at is the site of a wait.
func (e *Explainer) at(w *wait.Wait) *site {
	if s, known := e.sites.Get(w.Stack); known {
		return s
	}
	s := &site{where: e.things.finder.lookUp(w.Stack), line: lineOf(w), reached: make(map[causeID]causeID), peers: make(map[string]about)}
	if ofProgram(w) {
		s.own = w.Stack
	}
	s.running = e.causes.id(reachedBy(wait.Cause{Kind: wait.CauseRunning, Line: s.line}, s.own))
	s.sched = e.causes.through(s, e.sched)
	e.sites.Put(w.Stack, s)
	return s
}

// waitsFor is the causes of a wait at a site for its peer.
func (c *causes) waitsFor(s *site, w *wait.Wait) *about {
	clients := w.Role == wait.RoleAccepted
	address := w.Peer
	if clients {
		address = w.Local
	}
	if s.about.network != unknownCause && s.address == address {
		return &s.about
	}
	found, known := s.peers[address]
	if !known {
		peer := address
		if clients {
			peer = string(wait.AppendClients(nil, address))
		}
		found = c.about(s, peer)
		if len(s.peers) >= maxAtSite {
			clear(s.peers)
		}
		s.peers[address] = found
	}
	s.address, s.about = address, found
	return &s.about
}

// about is the causes of waits at a site for a peer.
func (c *causes) about(s *site, peer string) about {
	id := func(kind wait.CauseKind, line string) causeID {
		return c.id(reachedBy(wait.Cause{Kind: kind, Peer: peer, Line: line}, s.own))
	}
	return about{
		network: id(wait.CauseNetwork, s.line), netpoll: id(wait.CauseNetpoll, s.line), sched: id(wait.CauseSched, s.line),
		unknown: id(wait.CauseUnknown, ""),
	}
}

// through is what a cause is to those who wait for a goroutine that reached it by a
// wait at a site.
func (c *causes) through(s *site, id causeID) causeID {
	if s.own == nil {
		return id
	}
	reached, known := s.reached[id]
	if !known {
		if len(s.reached) >= maxAtSite {
			clear(s.reached)
		}
		reached = c.id(reachedBy(c.list[id], s.own))
		s.reached[id] = reached
	}
	return reached
}

// reachedBy is a cause that was reached with a stack of the program's own code; nil:
// of libraries alone.
func reachedBy(cause wait.Cause, own *wait.Stack) wait.Cause {
	if own != nil {
		cause.Own, cause.OwnFunc = own.Line, own.Func
	}
	return cause
}
