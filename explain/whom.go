package explain

import (
	"time"

	"github.com/netpolltrace/netpolltrace/internal/recent"
	"github.com/netpolltrace/netpolltrace/wait"
)

// position is where a goroutine stands to those who are kept waiting.
type position struct {
	whom wait.For // empty: nobody is known to wait for it
	// steps is how many goroutines stand between it and the one that serves the
	// request, or main; that one has 0.
	steps uint8
}

const maxSteps = 255

// nearer tells whether it is nearer to those who wait than another.
func (p position) nearer(other position) bool {
	return p.whom != "" && (other.whom == "" || p.steps < other.steps)
}

// next is the position of who works for a goroutine at this one.
func (p position) next() position {
	return position{p.whom, min(p.steps, maxSteps-1) + 1}
}

// approach takes a position that is nearer.
func (p *position) approach(other position) {
	if other.nearer(*p) {
		*p = other
	}
}

// mainGoroutine is the goroutine that runs main.main.
const mainGoroutine = 1

// maxAccepting is how many functions that accept connections are remembered.
const maxAccepting = 64

// starters finds out who serves a request because of who started it.
type starters struct {
	// accepting are the functions that accept connections.
	accepting recent.Map[string, bool]
}

// note remembers the function that accepts a connection.
func (s *starters) note(w *wait.Wait) {
	if w.Op == wait.OpAccept && w.Stack != nil {
		s.accepting.Put(w.Stack.Caller(), true)
	}
}

// runsTests are the functions of package testing that run tests, fuzz tests and
// benchmarks in goroutines, and those that start these.
var runsTests = map[string]bool{
	"testing.tRunner":          true,
	"testing.(*T).Run":         true,
	"testing.fRunner":          true,
	"testing.runFuzzTests":     true,
	"testing.runFuzzing":       true,
	"testing.(*F).Fuzz.func1":  true,
	"testing.(*B).run1":        true,
	"testing.(*B).launch":      true,
	"testing.(*B).doBench":     true,
	"testing.(*B).RunParallel": true,
}

// role is the position that a goroutine has of itself.
func (s *starters) role(w *wait.Wait) position {
	outer := wait.StartedIn(w.StartFunc)
	if w.Goid == mainGoroutine || runsTests[w.StartFunc] || runsTests[outer] {
		return position{whom: wait.ForMain}
	}
	if outer != "" {
		if accepting, _ := s.accepting.Get(outer); accepting {
			return position{whom: wait.ForRequest}
		}
	}
	return position{}
}

// place finds out where a goroutine stands by one of its waits.
func (e *Explainer) place(g *goroutine, w *wait.Wait) {
	e.starters.note(w)
	if w.Role == wait.RoleAccepted {
		g.position.approach(position{whom: wait.ForRequest})
		return
	}
	if g.settled {
		return
	}
	g.position.approach(e.starters.role(w))
	// What a library starts for itself serves whoever comes, and what main starts
	// is mostly there for longer than main waits for it.
	if w.ParentGoid != 0 && ofProgram(w) {
		if parent := e.goroutines.find(w.Process, w.ParentGoid); parent != nil && parent.position.whom == wait.ForRequest {
			g.position.approach(parent.position.next())
		}
	}
	g.settled = w.ParentGoid == 0 || ofProgram(w)
}

// ofProgram tells whether code of the program is on the stack.
func ofProgram(w *wait.Wait) bool { return w.Stack != nil && w.Stack.Own != "" }

// relate says for whom a wait was and how it is to be counted, and takes from it
// where its waker stands; nil: no other goroutine ended it.
func (e *Explainer) relate(x *wait.Explanation, w *wait.Wait, g, waker *goroutine) {
	if g.position.whom != "" {
		x.For = g.position.whom
	}
	x.Idle = idleKind(x, w, g, waker)
	library := w.Stack != nil && w.Stack.Own == "" && w.Role != wait.RoleAccepted
	seen := e.wakers.of(w.Process)
	if library && !seen && g.position.whom == "" {
		x.For = "" // whoever waits for it is not seen
	}
	x.Library = library && seen && x.Idle == ""
	if waker != nil {
		x.Served, waker.served = waker.served, wait.Served{}
		if g.position.whom != "" && x.Idle == "" {
			waker.position.approach(g.position.next())
		}
	}
	if awaited := w.Awaited(); x.Library && w.Kind == wait.KindWait && awaited > 0 {
		g.served.Waits++
		g.served.Time += awaited
	}
}

// idleKind says why nobody awaited a blocked wait. Who is nearer to those who are
// kept waiting gives work to those who are farther away.
func idleKind(x *wait.Explanation, w *wait.Wait, g, waker *goroutine) wait.IdleKind {
	switch {
	case w.Op != "" || w.Reason == wait.ReasonIO:
		return ""
	case w.Kind == wait.KindOpen:
		if x.For != wait.ForRequest && (handsOver[w.Reason] || w.Reason == waitGroup) {
			return wait.IdleWork // as far as anybody can tell
		}
		return ""
	case w.Blocked <= 0 || !handsOver[w.Reason]:
		return ""
	case waker != nil && waker.position.nearer(g.position):
		return wait.IdleWork
	case waker == nil && x.For == wait.ForBackground && withoutWaker(w) == wait.CauseTimer:
		return wait.IdleTimer
	}
	return ""
}

// handsOver are the runtime's reasons for waits in which a worker gets its next
// work, or a loop its next turn.
var handsOver = map[string]bool{"chan receive": true, "select": true, "sync.Cond.Wait": true, wait.ReasonSleep: true}

// waitGroup is the runtime's reason for a wait for others' ends.
const waitGroup = "sync.WaitGroup.Wait"

// filed names the largest cause of a wait whose thing does not tell what it was
// for; those about one peer are one.
func filed(w *wait.Wait, x *wait.Explanation) string {
	switch x.Thing.Kind {
	case wait.ThingReply:
		if x.Thing.Peer != "" {
			return ""
		}
	case wait.ThingChannel, wait.ThingGroup, wait.ThingCond, wait.ThingWork, wait.ThingUnknown:
	default:
		return ""
	}
	if w.Op != "" || w.Reason == wait.ReasonIO {
		return ""
	}
	itself := string(x.Thing.Kind)
	if x.Thing.Kind == wait.ThingUnknown {
		itself = w.Reason
	}
	name := itself
	var most time.Duration
	for i, c := range x.Causes {
		of := c.Time
		for _, other := range x.Causes[i+1:] {
			if c.Peer != "" && other.Peer == c.Peer {
				of += other.Time
			}
		}
		if of <= most {
			continue
		}
		most = of
		switch {
		case c.Peer != "":
			name = c.Peer
		case c.Kind == wait.CauseTimer || c.Kind == wait.CauseGC:
			name = string(c.Kind)
		default:
			name = itself
		}
	}
	return name
}
