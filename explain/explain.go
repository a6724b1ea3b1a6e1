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
// What a goroutine does between two waits is Running at the line of the second,
// system calls included. The time for which it was runnable meanwhile is Sched,
// where it was measured.
package explain

import (
	"strings"
	"time"

	"github.com/netpolltrace/netpolltrace/internal/recent"
	"github.com/netpolltrace/netpolltrace/wait"
)

// Explainer explains waits while they stream by. Its memory is bounded: it
// remembers the goroutines that waited lately (maxGoroutines). It is for one
// goroutine.
type Explainer struct {
	wakers     wakers
	causes     causes
	sched      causeID // of a wait that a goroutine ended
	goroutines goroutines[goroutine]
	sites      recent.Map[*wait.Stack, *site]
	things     things
	starters   starters

	pieces      []piece // scratch of one wait
	sums        []wait.Cause
	explanation wait.Explanation
	stats       Stats
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

// goroutine is what is known of one.
type goroutine struct {
	position position
	settled  bool // whether all was asked that the position follows from
	// served is its waits, where they are a library's, since it last ended
	// another's wait.
	served wait.Served
	*activity
}

// remembered is the goroutine if a wait of it is remembered, else nil.
func (g *goroutine) remembered() *goroutine {
	if g == nil || g.activity == nil {
		return nil
	}
	return g
}

// activity is a history, and what is looked up for it again and again.
type activity struct {
	history
	waking lineCause // when it ended another's wait
	first  ran       // before its first wait

	lately lately
}

// lineCause is the cause of running at a line.
type lineCause struct {
	line string
	id   causeID
}

// New makes an Explainer.
func New() *Explainer {
	e := &Explainer{causes: newCauses(), goroutines: newGoroutines[goroutine](maxGoroutines), things: newThings()}
	e.sites.Limit, e.starters.accepting.Limit = maxSites, maxAccepting
	e.sched = e.causes.id(wait.Cause{Kind: wait.CauseSched})
	return e
}

// Begin says of which recording the next waits are.
func (e *Explainer) Begin(meta *wait.Meta) { e.wakers.begin(meta) }

// Event takes in what changes who is seen.
func (e *Explainer) Event(event *wait.Event) { e.wakers.event(event) }

// Stats says how it got on so far.
func (e *Explainer) Stats() Stats {
	s := e.stats
	s.Dropped, s.Forgotten = e.causes.dropped, e.goroutines.forgotten()
	return s
}

// Wait takes in the next wait and explains it. The result is valid until the
// next call.
func (e *Explainer) Wait(w *wait.Wait) *wait.Explanation {
	e.pieces = e.pieces[:0]
	x := &e.explanation
	*x = wait.Explanation{For: wait.ForBackground}
	finished := w.Kind == wait.KindWait
	at := e.at(w)
	var g, waker *goroutine
	if w.Goid != 0 {
		g = e.goroutines.findOrAdd(w.Process, w.Goid)
		e.place(g, w)
	}
	if finished && endedByAnother(w) {
		waker = e.goroutines.findOrAdd(w.Process, w.WakerGoid)
	}
	if finished && w.Blocked > 0 {
		e.explain(w, waker)
	}
	x.Causes = e.sum()
	if g != nil {
		e.relate(x, w, g, waker)
		if finished && e.wakers.anywhere() {
			e.remember(w, g, at)
		}
	}
	x.Thing = e.things.of(w, &at.where, g.remembered(), waker.remembered(), x.Causes)
	x.Peer = filed(w, x)
	return x
}

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

// explain finds out what the blocked part of a wait was for. The waker is nil where
// no other goroutine ended it.
func (e *Explainer) explain(w *wait.Wait, waker *goroutine) {
	from := w.Start
	to := from + int64(w.Blocked)
	if waker == nil {
		e.pieces = append(e.pieces, piece{w.Blocked, e.causes.id(wait.Cause{Kind: withoutWaker(w)})})
		return
	}
	if w.WakerStarted > 0 {
		from = e.untilStarted(w, min(from+int64(w.WakerStarted), to))
	}
	last := ran{length: time.Duration(to - from), runnable: w.WakerPreempted}
	var waking *lineCause
	if waker.activity != nil {
		waking = &waker.waking
		e.stats.Explained++
		from = e.untilFirstWait(w, waker.activity, from, to)
		if waker.origin < to {
			e.pieces, from = waker.between(from, to, e.pieces)
			last.length = time.Duration(to - waker.end())
		}
	}
	if from < to {
		last.cause = e.running(waking, w.WakerLine)
		e.pieces = last.part(time.Duration(to-from), e.sched, e.pieces)
	}
}

// endedByAnother tells whether another goroutine ended a wait: one that only ran a
// timer did not.
func endedByAnother(w *wait.Wait) bool {
	return w.WakerGoid != 0 && w.WakerGoid != w.Goid && !w.ByTimer
}

// withoutWaker is what ends a wait that no goroutine ended.
func withoutWaker(w *wait.Wait) wait.CauseKind {
	switch {
	case w.ByTimer:
		return wait.CauseTimer
	case strings.HasPrefix(w.Reason, "GC "):
		return wait.CauseGC
	case w.Reason == wait.ReasonSleep, w.Reason == "select", w.Reason == "chan receive", w.Reason == "sync.Cond.Wait", w.Reason == wait.ReasonIO:
		return wait.CauseTimer // those run without a goroutine
	}
	return wait.CauseUnknown
}

// remember adds the wait to the history of its goroutine.
func (e *Explainer) remember(w *wait.Wait, g *goroutine, at *site) {
	if g.activity == nil {
		g.activity = new(activity)
		g.start(w.Start, &e.causes)
		g.first = ran{wait.Unmeasured, w.Preempted, at.running}
	}
	if w.Preempted > 0 {
		g.add(min(g.end()+int64(w.Preempted), w.Start), at.sched)
	}
	g.add(w.Start, at.running)
	resumed := w.Start + int64(w.Total)
	switch {
	case w.Blocked > 0:
		until := w.Start
		for _, p := range e.pieces {
			until += int64(p.time)
			g.add(until, e.causes.through(at, p.cause))
		}
		g.add(resumed, at.sched)
	case w.Network >= 0:
		about := e.causes.waitsFor(at, w)
		ready := w.Start + int64(w.Network)
		g.add(ready, about.network)
		if w.Netpoll >= 0 {
			g.add(ready+int64(w.Netpoll), about.netpoll)
			g.add(resumed, about.sched)
		}
	case w.Sched >= 0:
		about := e.causes.waitsFor(at, w)
		g.add(resumed-int64(w.Sched), about.unknown)
		g.add(resumed, about.sched)
	}
	g.add(resumed, unknownCause)
}

// running is the cause of running at a line. The goroutine's last one is kept in
// known, which is nil where the goroutine is not known.
func (e *Explainer) running(known *lineCause, line string) causeID {
	if known != nil && known.id != unknownCause && known.line == line {
		return known.id
	}
	id := e.causes.id(wait.Cause{Kind: wait.CauseRunning, Line: line})
	if known != nil {
		*known = lineCause{line, id}
	}
	return id
}

// Stage explains the waits that pass it. It is a [wait.Sink], and hands all on to
// another.
type Stage struct {
	*Explainer
	next     wait.Sink
	handoffs bool // whether one came
	held     heldBack
}

// NewStage makes a stage before another sink.
func NewStage(next wait.Sink) *Stage {
	return &Stage{Explainer: New(), next: next, held: make(heldBack)}
}

// Wait implements [wait.Sink].
func (s *Stage) Wait(w *wait.Wait) error {
	if w.Kind == wait.KindHandoff {
		if err := s.handoff(w); err != nil {
			return err
		}
		return s.next.Wait(w)
	}
	w.Explanation = s.Explainer.Wait(w)
	if s.handsOn(w) {
		return s.hold(w)
	}
	return s.next.Wait(w)
}

// Event implements [wait.Sink].
func (s *Stage) Event(e *wait.Event) error {
	s.Explainer.Event(e)
	return s.next.Event(e)
}
