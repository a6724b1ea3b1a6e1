// Package explain says what the waits of goroutines were for that another
// goroutine ended: it follows who woke whom, down to a peer, a timer, the
// scheduler or a line that ran.
//
// While a goroutine waited from t0 to t2, the one that woke it at t2 did
// something itself: it waited for a peer, for a processor or for a third
// goroutine, or it ran. That is what was waited for. [Explainer] keeps for each
// goroutine what it did lately, in causes; the causes of a wait are what stands
// there of its waker between t0 and t2. A waker's own waits are explained when
// they come, before the waits that it ends later, so that one pass suffices and
// no cycle can arise. Waits have to come in that order: a waker's before those
// that it ends afterwards, as every source delivers them.
//
// What a goroutine does between two waits is Running at the line of the second:
// where it is not told apart, being runnable and in system calls included.
package explain

import (
	"slices"
	"strings"
	"time"

	"github.com/netpolltrace/netpolltrace/wait"
)

// Explainer explains waits while they stream by. Its memory is bounded: it
// remembers the goroutines that waited lately (maxGoroutines). It is for one
// goroutine.
type Explainer struct {
	// withoutWakers: no wait says which goroutine ended it, so that no history is
	// asked for and none is kept.
	withoutWakers bool

	causes     causes
	sched      causeID // of a wait that a goroutine ended
	goroutines goroutines[goroutine]
	things     things

	thing  wait.Thing // that the last wait was for
	pieces []piece    // scratch of one wait
	sums   []wait.Cause
	stats  Stats
}

// Stats says how an Explainer got on.
type Stats struct {
	Explained uint64 // waits whose waker's history was there
	// Forgotten is how many goroutines were dropped from memory to make room.
	// A wait that one of them ended has the cause Running at its waker's line.
	Forgotten uint64
	// Dropped counts causes that lost their peer and line, as there were too many.
	Dropped uint64
}

// goroutine is a history, and what is looked up for it again and again.
type goroutine struct {
	history
	peer    string
	line    string // that the causes of peer are about
	network causeID
	netpoll causeID
	sched   causeID

	ran    lineCause // before its last wait
	waking lineCause // when it ended another's wait

	lately lately
}

// lineCause is the cause of running at a line, kept since most follow the same.
type lineCause struct {
	line string
	id   causeID
}

// New makes an Explainer.
func New() *Explainer {
	e := &Explainer{causes: newCauses(), goroutines: newGoroutines[goroutine](maxGoroutines), things: newThings()}
	e.sched = e.causes.id(wait.Cause{Kind: wait.CauseSched})
	return e
}

// Stats says how it got on so far.
func (e *Explainer) Stats() Stats {
	s := e.stats
	s.Dropped, s.Forgotten = e.causes.dropped, e.goroutines.forgotten()
	return s
}

// Wait takes in the next wait and returns what its blocked part was for: the
// causes add up to it. They are valid until the next call, and none for a wait
// without a blocked part.
func (e *Explainer) Wait(w *wait.Wait) []wait.Cause {
	if w.Kind != wait.KindWait {
		e.thing = e.things.of(w, nil, nil, nil)
		return nil
	}
	e.pieces = e.pieces[:0]
	var waker, g *goroutine
	if w.Blocked > 0 {
		waker = e.explain(w)
	}
	if w.Goid != 0 && !e.withoutWakers {
		g = e.remember(w)
	}
	causes := e.sum()
	e.thing = e.things.of(w, g, waker, causes)
	return causes
}

// Thing is what the goroutine itself waited for in the wait that was taken in
// last.
func (e *Explainer) Thing() wait.Thing { return e.thing }

// sum adds up the pieces of a wait by cause.
func (e *Explainer) sum() []wait.Cause {
	e.sums = e.sums[:0]
	for i, p := range e.pieces {
		if p.time <= 0 || e.counted(i) {
			continue
		}
		cause := e.causes.list[p.cause]
		cause.Time = p.time
		for _, later := range e.pieces[i+1:] {
			if later.cause == p.cause {
				cause.Time += later.time
			}
		}
		e.sums = append(e.sums, cause)
	}
	return e.sums
}

// counted tells whether the cause of a piece is that of an earlier one.
func (e *Explainer) counted(i int) bool {
	for _, earlier := range e.pieces[:i] {
		if earlier.cause == e.pieces[i].cause {
			return true
		}
	}
	return false
}

// explain finds out what the blocked part of a wait was for. It returns who ended
// it, nil where nothing is known of that one.
func (e *Explainer) explain(w *wait.Wait) *goroutine {
	from := w.Start
	to := from + int64(w.Blocked)
	if w.WakerGoid == 0 || w.WakerGoid == w.Goid {
		e.pieces = append(e.pieces, piece{w.Blocked, e.causes.id(wait.Cause{Kind: withoutWaker(w)})})
		return nil
	}
	waker := e.goroutines.find(w.Process, w.WakerGoid)
	var waking *lineCause
	if waker != nil {
		waking = &waker.waking
		e.stats.Explained++
		e.pieces, from = waker.between(from, to, e.pieces)
	}
	if from < to {
		e.pieces = append(e.pieces, piece{time.Duration(to - from), e.running(waking, w.WakerLine)})
	}
	return waker
}

// withoutWaker is what ends a wait that no goroutine ended.
func withoutWaker(w *wait.Wait) wait.CauseKind {
	switch {
	case strings.HasPrefix(w.Reason, "GC "):
		return wait.CauseGC
	case w.Reason == wait.ReasonSleep, w.Reason == "select", w.Reason == "chan receive", w.Reason == "sync.Cond.Wait", w.Reason == wait.ReasonIO:
		return wait.CauseTimer // those run without a goroutine
	}
	return wait.CauseUnknown
}

// remember adds the wait to the history of its goroutine, and returns that one.
func (e *Explainer) remember(w *wait.Wait) *goroutine {
	g := e.goroutines.findOrAdd(w.Process, w.Goid)
	if !g.started() {
		g.start(w.Start)
	}
	line := lineOf(w)
	g.add(w.Start, e.running(&g.ran, line))
	resumed := w.Start + int64(w.Total)
	switch {
	case w.Blocked > 0:
		at := w.Start
		for _, p := range e.pieces {
			at += int64(p.time)
			g.add(at, p.cause)
		}
		g.add(resumed, e.sched)
	case w.Network >= 0:
		e.aboutPeer(g, w.Peer, line)
		ready := w.Start + int64(w.Network)
		g.add(ready, g.network)
		if w.Netpoll >= 0 {
			g.add(ready+int64(w.Netpoll), g.netpoll)
			g.add(resumed, g.sched)
		}
	case w.Sched >= 0:
		e.aboutPeer(g, w.Peer, line)
		g.add(resumed-int64(w.Sched), e.causes.id(wait.Cause{Kind: wait.CauseUnknown, Peer: w.Peer}))
		g.add(resumed, g.sched)
	}
	g.add(resumed, unknownCause)
	return g
}

// running is the cause of running at a line. The goroutine's last one is kept in
// known, which is nil where the goroutine is not known.
func (e *Explainer) running(known *lineCause, line string) causeID {
	if known == nil {
		return e.causes.id(wait.Cause{Kind: wait.CauseRunning, Line: line})
	}
	if known.id == unknownCause || known.line != line {
		*known = lineCause{line, e.causes.id(wait.Cause{Kind: wait.CauseRunning, Line: line})}
	}
	return known.id
}

// aboutPeer fills in the causes of a wait for a peer.
func (e *Explainer) aboutPeer(g *goroutine, peer, line string) {
	if g.network != unknownCause && g.peer == peer && g.line == line {
		return
	}
	g.peer, g.line = peer, line
	g.network = e.causes.id(wait.Cause{Kind: wait.CauseNetwork, Peer: peer, Line: line})
	g.netpoll = e.causes.id(wait.Cause{Kind: wait.CauseNetpoll, Peer: peer, Line: line})
	g.sched = e.causes.id(wait.Cause{Kind: wait.CauseSched, Peer: peer, Line: line})
}

// Stage explains the waits that pass it. It is a [wait.Sink], and hands all on to
// another.
type Stage struct {
	explainer   *Explainer
	explanation wait.Explanation
	next        wait.Sink
}

// NewStage makes a stage before another sink.
func NewStage(next wait.Sink) *Stage { return &Stage{explainer: New(), next: next} }

// Begin says of which recording the next waits are.
func (s *Stage) Begin(meta *wait.Meta) {
	s.explainer.withoutWakers = len(meta.Targets) > 0 &&
		!slices.ContainsFunc(meta.Targets, func(t wait.Target) bool { return seesWakers(t.Mode) })
}

// seesWakers tells whether a mode sees which goroutine ends a wait.
func seesWakers(mode wait.Mode) bool { return mode != wait.ModeIO && mode != wait.ModeSample }

// Wait implements [wait.Sink].
func (s *Stage) Wait(w *wait.Wait) error {
	s.explanation.Causes = s.explainer.Wait(w)
	s.explanation.Thing = s.explainer.Thing()
	w.Explanation = &s.explanation
	return s.next.Wait(w)
}

// Event implements [wait.Sink]. A process can change its mode, or join in another.
func (s *Stage) Event(e *wait.Event) error {
	switch d := e.Detail.(type) {
	case *wait.ModeChange:
		s.explainer.withoutWakers = s.explainer.withoutWakers && !seesWakers(d.Mode)
	case *wait.TargetChange:
		if d.Target != nil {
			s.explainer.withoutWakers = s.explainer.withoutWakers && !seesWakers(d.Target.Mode)
		}
	}
	return s.next.Event(e)
}

// Flush has nothing to do: no wait is held back.
func (s *Stage) Flush() error { return nil }
