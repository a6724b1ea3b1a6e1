package report

import (
	"time"

	"github.com/netpolltrace/netpolltrace/wait"
)

// moved is the blocked time that people are shown as network, netpoll and sched,
// since goroutines of libraries waited for it on behalf of the program.
type moved struct{ network, netpoll, sched time.Duration }

// add takes what is to be moved of waits with the parts p.
func (m *moved) add(w *wait.Wait, p *parts, count uint64) {
	n := time.Duration(count)
	if p.polled {
		// Until its deadline there was nothing from the network.
		m.network += max(p.part[partBlocked], 0) * n
		return
	}
	if w.Explanation == nil {
		return
	}
	for _, c := range w.Explanation.Causes {
		if c.Own != "" {
			continue
		}
		switch c.Kind {
		case wait.CauseNetwork:
			m.network += c.Time * n
		case wait.CauseNetpoll:
			m.netpoll += c.Time * n
		case wait.CauseSched:
			m.sched += c.Time * n
		}
	}
}

func (m moved) plus(other moved) moved {
	return moved{m.network + other.network, m.netpoll + other.netpoll, m.sched + other.sched}
}

// move moves blocked time to the other parts.
func (n Numbers) move(m moved) Numbers {
	for _, part := range [...]struct {
		of *time.Duration
		d  time.Duration
	}{{&n.Network, m.network}, {&n.Netpoll, m.netpoll}, {&n.Sched, m.sched}} {
		if part.d > 0 {
			*part.of = max(*part.of, 0) + part.d
			n.Blocked -= part.d
		}
	}
	return n
}

// ofLibrary tells whether the wait is a library's, for which those that it was for
// have waits of their own.
func ofLibrary(w *wait.Wait) bool { return w.Explanation != nil && w.Explanation.Library }

// nobodyAwaits tells whether nobody awaited a blocked wait.
func nobodyAwaits(w *wait.Wait) bool { return w.Explanation != nil && w.Explanation.Idle != "" }

// Holder is who kept others waiting, where another goroutine of the program did.
type Holder struct {
	Func, Line string
	// For is the peer that the holder waited for meanwhile; empty if there was none.
	For string
	// Held is set where what was waited for can be held: a lock, a pool.
	Held bool
}

// holderOf is who kept a wait waiting, and for how long.
func holderOf(w *wait.Wait) (Holder, time.Duration) {
	thing := &w.Explanation.Thing
	if thing.HeldBy != "" {
		return Holder{Func: thing.HeldByFunc, Line: thing.HeldBy, For: thing.HeldFor, Held: true}, w.Blocked
	}
	var longest wait.Cause
	for _, c := range w.Explanation.Causes {
		if c.Own != "" && c.Time > longest.Time {
			longest = c
		}
	}
	return Holder{Func: longest.OwnFunc, Line: longest.Own, For: longest.Peer}, longest.Time
}
