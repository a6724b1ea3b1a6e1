package wait

import "time"

// Moments is what a source learned of one wait, for [Moments.Wait] to say what
// it means. Times are in nanoseconds of one monotonic clock; 0 is not seen.
type Moments struct {
	Park     int64
	Ready    int64 // the kernel had what the goroutine waited for
	Runnable int64 // the runtime made it runnable
	Resume   int64 // it ran again; for a wait that is open: now
	Pending  int64 // since when a reply has been pending; 0 if none is
	// WallOffset is the wall clock, in nanoseconds since the Unix epoch, minus
	// the clock of the others.
	WallOffset int64

	Open          bool // the wait is not over
	StartedBefore bool // it parked before the recording began
	ReadyAtPark   bool // it would not have blocked at the park
	PolledBefore  bool // the poll before the park had returned the event already
	// TracksSends tells that sends on the descriptor are seen, so that a Pending
	// of 0 means that no reply is pending.
	TracksSends bool
	// SeesEveryEdge tells that each time at which a descriptor gets ready is
	// seen, so that a wait without one was over before it began.
	SeesEveryEdge bool

	Op        Op
	Outcome   Outcome
	Reason    string // in the runtime's own words
	StartFunc string // the function that the goroutine was started with
	// Waker is who made the goroutine runnable; nil where that was not looked
	// for, and where the netpoller or the scheduler did.
	Waker *Waker
	// Endpoint is what the netpoller watches for the goroutine: nil for a wait
	// that is none of the netpoller's, only an FD of -1 where it is not known.
	Endpoint *Endpoint
}

// Wait makes w the wait that the moments tell of. What they say nothing about
// is as in [Empty]: the source fills it in afterwards.
func (m *Moments) Wait(w *Wait) {
	*w = Empty()
	w.Kind, w.Outcome = KindWait, m.Outcome
	if m.Open {
		w.Kind, w.Outcome = KindOpen, ""
	}
	w.Start, w.StartedBefore = m.Park+m.WallOffset, m.StartedBefore
	w.Op, w.Reason, w.StartFunc = m.Op, m.Reason, m.StartFunc
	if m.Waker != nil {
		m.Waker.fill(w, m.Park)
	}
	w.ByTimer = w.ByTimer || w.Outcome == OutcomeTimeout
	edges := m.edges()
	edges.split(w)
	switch {
	case m.Endpoint != nil:
		m.Endpoint.fill(w)
		w.Idle = m.idle(edges)
	case SystemGoroutine(m.StartFunc, m.Reason):
		w.Idle = edges.span()
	}
}

// edges are where the parts of a wait meet; 0 is not seen.
type edges struct {
	park, ready, runnable, resume int64
	netpoll                       bool // the netpoller ended it
}

// edges settles what the moments leave open. One before the park is clamped to
// it. Where the poll before the park had returned the event and none came
// since, that event is what ended the wait; the same holds for readiness, where
// every edge of it is seen.
func (m *Moments) edges() edges {
	e := edges{
		park:     m.Park,
		runnable: m.Runnable,
		resume:   max(m.Resume, m.Park),
		netpoll:  m.Endpoint != nil && m.Outcome == OutcomeReady && !m.Open,
	}
	switch {
	case !e.netpoll:
	case e.runnable == 0 && m.PolledBefore:
		// What the poll had returned was ready too, whatever came later.
		e.ready, e.runnable = e.park, e.park
	default:
		e.ready = m.Ready
		if e.ready > e.runnable && e.runnable != 0 {
			e.ready = 0 // a later edge; the one that counted was not seen
		}
		if m.ReadyAtPark || e.ready == 0 && m.SeesEveryEdge && e.runnable != 0 {
			e.ready = e.park
		}
	}
	e.ready, e.runnable = e.clamp(e.ready), e.clamp(e.runnable)
	return e
}

// clamp moves a moment that was seen into the wait.
func (e *edges) clamp(t int64) int64 {
	if t == 0 {
		return 0
	}
	return min(max(t, e.park), e.resume)
}

// split fills in the total and the parts that were measured.
func (e *edges) split(w *Wait) {
	w.Total = time.Duration(e.resume - e.park)
	if e.runnable != 0 {
		w.Sched = time.Duration(e.resume - e.runnable)
	}
	switch {
	case !e.netpoll && e.runnable != 0:
		w.Blocked = time.Duration(e.runnable - e.park)
	case e.ready != 0:
		w.Network = time.Duration(e.ready - e.park)
		if e.runnable != 0 {
			w.Netpoll = time.Duration(e.runnable - e.ready)
		}
	}
}

// span is the time until what was waited for happened, as near as it was seen.
func (e *edges) span() time.Duration {
	for _, end := range [...]int64{e.ready, e.runnable} {
		if end != 0 {
			return time.Duration(end - e.park)
		}
	}
	return time.Duration(e.resume - e.park)
}

// idle is the part of a wait for the endpoint in which no reply was pending.
func (m *Moments) idle(e edges) time.Duration {
	switch {
	case m.Op == OpWrite || m.Op == OpConnect:
		return 0
	case m.Op == OpAccept || m.Endpoint.Role == RoleAccepted || m.Endpoint.servesAnyone():
		return e.span()
	case m.Endpoint.Role != RoleDialed || !m.TracksSends:
		return Unmeasured
	case m.Pending == 0:
		return e.span()
	}
	return min(time.Duration(e.clamp(m.Pending)-e.park), e.span())
}
