package wait

import (
	"testing"
	"time"
)

const (
	us = int64(time.Microsecond)
	na = Unmeasured
)

// The waits of these tests park at 1000 us and run again at 1100 us, unless
// they say otherwise.
const (
	parked  = 1000 * us
	resumed = 1100 * us
)

func at(microseconds int64) int64 { return microseconds * us }

func long(microseconds int64) time.Duration { return time.Duration(microseconds * us) }

// parts are those of a wait.
type parts struct {
	total, network, netpoll, blocked, sched, idle time.Duration
}

func partsOf(w *Wait) parts {
	return parts{w.Total, w.Network, w.Netpoll, w.Blocked, w.Sched, w.Idle}
}

// dialed is a connection on which sends are not tracked: what is idle is not known.
func dialed() *Endpoint { return &Endpoint{FD: 7, Proto: ProtoTCP, Role: RoleDialed} }

func TestPartsOfAWait(t *testing.T) {
	ready := Moments{Op: OpRead, Outcome: OutcomeReady, Endpoint: dialed()}
	with := func(m Moments, change func(*Moments)) Moments {
		m.Park, m.Resume = parked, resumed
		change(&m)
		return m
	}
	for name, c := range map[string]struct {
		m    Moments
		want parts
	}{
		"all moments seen": {
			with(ready, func(m *Moments) { m.Ready, m.Runnable = at(1060), at(1090) }),
			parts{long(100), long(60), long(30), na, long(10), na},
		},
		"ready before the park: clamped to it": {
			with(ready, func(m *Moments) { m.Ready, m.Runnable = at(990), at(1090) }),
			parts{long(100), 0, long(90), na, long(10), na},
		},
		"ready and polled before the park": {
			with(ready, func(m *Moments) { m.Ready, m.Runnable = at(980), at(990) }),
			parts{long(100), 0, 0, na, long(100), na},
		},
		"runnable after the resume: clamped to it": {
			with(ready, func(m *Moments) { m.Ready, m.Runnable = at(1060), at(1200) }),
			parts{long(100), long(60), long(40), na, 0, na},
		},
		"ready at the park, whatever came later": {
			with(ready, func(m *Moments) { m.Ready, m.Runnable, m.ReadyAtPark = at(1060), at(1090), true }),
			parts{long(100), 0, long(90), na, long(10), na},
		},
		"ready not seen": {
			with(ready, func(m *Moments) { m.Runnable = at(1090) }),
			parts{long(100), na, na, na, long(10), na},
		},
		"ready not seen, where every edge is: it was before the park": {
			with(ready, func(m *Moments) { m.Runnable, m.SeesEveryEdge = at(1090), true }),
			parts{long(100), 0, long(90), na, long(10), na},
		},
		"a later edge than the one that was polled: not the one that counted": {
			with(ready, func(m *Moments) { m.Ready, m.Runnable = at(1095), at(1090) }),
			parts{long(100), na, na, na, long(10), na},
		},
		"a later edge, where every edge is seen: the one that counted was before the park": {
			with(ready, func(m *Moments) { m.Ready, m.Runnable, m.SeesEveryEdge = at(1095), at(1090), true }),
			parts{long(100), 0, long(90), na, long(10), na},
		},
		"runnable not seen": {
			with(ready, func(m *Moments) { m.Ready = at(1060) }),
			parts{long(100), long(60), na, na, na, na},
		},
		"neither seen, even where every edge is": {
			with(ready, func(m *Moments) { m.SeesEveryEdge = true }),
			parts{long(100), na, na, na, na, na},
		},
		"polled before the park and not since: that ended it": {
			with(ready, func(m *Moments) { m.Ready, m.PolledBefore = at(1060), true }),
			parts{long(100), 0, 0, na, long(100), na},
		},
		"polled before the park and again": {
			with(ready, func(m *Moments) { m.Ready, m.Runnable, m.PolledBefore = at(1060), at(1090), true }),
			parts{long(100), long(60), long(30), na, long(10), na},
		},
		"a deadline expired: the netpoller did not end it": {
			with(ready, func(m *Moments) { m.Ready, m.Runnable, m.Outcome = at(1060), at(1090), OutcomeTimeout }),
			parts{long(100), na, na, long(90), long(10), na},
		},
		"the descriptor was closed": {
			with(ready, func(m *Moments) { m.Runnable, m.Outcome = at(1090), OutcomeClosed }),
			parts{long(100), na, na, long(90), long(10), na},
		},
		"not for a descriptor": {
			with(Moments{Outcome: OutcomeReady}, func(m *Moments) { m.Runnable = at(1090) }),
			parts{long(100), na, na, long(90), long(10), na},
		},
		"not for a descriptor, runnable not seen": {
			with(Moments{Outcome: OutcomeReady}, func(m *Moments) { m.Ready, m.PolledBefore, m.SeesEveryEdge = at(1060), true, true }),
			parts{long(100), na, na, na, na, na},
		},
		"open": {
			with(ready, func(m *Moments) { m.Open, m.SeesEveryEdge = true, true }),
			parts{long(100), na, na, na, na, na},
		},
		"open, and parked after the clock was read": {
			with(ready, func(m *Moments) { m.Open, m.Resume = true, at(999) }),
			parts{0, na, na, na, na, na},
		},
	} {
		w := Wait{TID: 5, Network: 5} // of another wait
		c.m.Wait(&w)
		if got := partsOf(&w); got != c.want {
			t.Errorf("%s:\n got %v\nwant %v", name, got, c.want)
		}
	}
}

func TestIdlePartOfAWait(t *testing.T) {
	socket := func(proto string, role Role) *Endpoint { return &Endpoint{FD: 7, Proto: proto, Role: role} }
	for name, c := range map[string]struct {
		m    Moments
		idle time.Duration
	}{
		"write":            {Moments{Op: OpWrite, Endpoint: socket(ProtoTCP, RoleAccepted)}, 0},
		"connect":          {Moments{Op: OpConnect, Endpoint: socket(ProtoTCP, RoleDialed)}, 0},
		"accept":           {Moments{Op: OpAccept, Endpoint: socket(ProtoTCP, RoleListening)}, long(60)},
		"keep-alive read":  {Moments{Op: OpRead, Endpoint: socket(ProtoTCP, RoleAccepted)}, long(60)},
		"UDP server":       {Moments{Op: OpRead, Endpoint: socket(ProtoUDP, "")}, long(60)},
		"unixgram server":  {Moments{Op: OpRead, Endpoint: socket(ProtoUnixgram, "")}, long(60)},
		"pipe":             {Moments{Op: OpRead, TracksSends: true, Endpoint: socket(ProtoPipe, "")}, na},
		"unknown":          {Moments{Op: OpRead, TracksSends: true, Endpoint: &Endpoint{FD: -1}}, na},
		"sends not seen":   {Moments{Op: OpRead, Endpoint: socket(ProtoTCP, RoleDialed)}, na},
		"nothing asked":    {Moments{Op: OpRead, TracksSends: true, Endpoint: socket(ProtoTCP, RoleDialed)}, long(60)},
		"asked before":     {Moments{Op: OpRead, TracksSends: true, Pending: at(900), Endpoint: socket(ProtoTCP, RoleDialed)}, 0},
		"asked meanwhile":  {Moments{Op: OpRead, TracksSends: true, Pending: at(1020), Endpoint: socket(ProtoTCP, RoleDialed)}, long(20)},
		"asked afterwards": {Moments{Op: OpRead, TracksSends: true, Pending: at(1080), Endpoint: socket(ProtoTCP, RoleDialed)}, long(60)},
		"asked over UDP":   {Moments{Op: OpRead, TracksSends: true, Pending: at(1020), Endpoint: socket(ProtoUDP, RoleDialed)}, long(20)},
	} {
		c.m.Park, c.m.Ready, c.m.Runnable, c.m.Resume = parked, at(1060), at(1090), resumed
		c.m.Outcome = OutcomeReady
		var w Wait
		c.m.Wait(&w)
		if w.Idle != c.idle {
			t.Errorf("%s: idle %v, want %v", name, w.Idle, c.idle)
		}
	}
}

// Until when it was idle depends on what was seen of the wait's end.
func TestIdleEndsWhereTheWaitedForHappened(t *testing.T) {
	for name, c := range map[string]struct {
		m    Moments
		idle time.Duration
	}{
		"ready":                  {Moments{Outcome: OutcomeReady, Ready: at(1060), Runnable: at(1090)}, long(60)},
		"runnable":               {Moments{Outcome: OutcomeReady, Runnable: at(1090)}, long(90)},
		"resumed":                {Moments{Outcome: OutcomeReady}, long(100)},
		"interrupted":            {Moments{Outcome: OutcomeInterrupted, Ready: at(1060), Runnable: at(1090)}, long(90)},
		"open":                   {Moments{Open: true}, long(100)},
		"open, asked meanwhile":  {Moments{Open: true, Pending: at(1020)}, long(20)},
		"timeout, nothing asked": {Moments{Outcome: OutcomeTimeout, Runnable: at(1090)}, long(90)},
	} {
		c.m.Park, c.m.Resume = parked, resumed
		c.m.Op, c.m.Endpoint, c.m.TracksSends = OpRead, dialed(), true
		var w Wait
		c.m.Wait(&w)
		if w.Idle != c.idle {
			t.Errorf("%s: idle %v, want %v", name, w.Idle, c.idle)
		}
	}
}

// Nobody waits for a goroutine of the runtime's own to go on; the body of an
// iterator waits for whoever pulls from it.
func TestIdleOfGoroutinesThatWaitForNoDescriptor(t *testing.T) {
	for name, c := range map[string]struct {
		start, reason string
		idle          time.Duration
	}{
		"idle worker of the GC":      {"runtime.gcBgMarkWorker", "GC worker (idle)", long(90)},
		"function of the program":    {"main.worker", "chan receive", na},
		"main goroutine":             {"runtime.main", "sleep", na},
		"sleep in an iter.Pull":      {"runtime.corostart", "sleep", na},
		"finalizers without work":    {"runtime.runFinalizers", "finalizer wait", long(90)},
		"finalizer that waits":       {"runtime.runFinalizers", "chan receive", na},
		"function that is not known": {"", "select", na},
	} {
		m := Moments{Park: parked, Runnable: at(1090), Resume: resumed, Outcome: OutcomeReady, StartFunc: c.start, Reason: c.reason}
		var w Wait
		m.Wait(&w)
		if w.Idle != c.idle {
			t.Errorf("%s: idle %v, want %v", name, w.Idle, c.idle)
		}
	}
	// The body of an iterator may read from a socket.
	m := Moments{Park: parked, Resume: resumed, StartFunc: "runtime.gcBgMarkWorker", Reason: ReasonIO, Op: OpRead, Endpoint: dialed()}
	var w Wait
	m.Wait(&w)
	if w.Idle != na {
		t.Errorf("a wait for a descriptor is judged by the goroutine: idle %v", w.Idle)
	}
}

func TestWhatAWaitIsAbout(t *testing.T) {
	m := Moments{
		Park: 1000, Resume: 1100, WallOffset: 5_000_000, StartedBefore: true,
		Op: OpRead, Outcome: OutcomeReady, Reason: ReasonIO, StartFunc: "main.serve",
		Endpoint: &Endpoint{FD: 9, Proto: ProtoTCP, Role: RoleAccepted, Local: "10.0.0.1:80", Peer: "10.0.0.2:4000"},
	}
	want := Empty()
	want.Kind, want.Start, want.Total, want.StartedBefore = KindWait, 5_001_000, 100, true
	want.Op, want.Outcome, want.Reason, want.StartFunc = OpRead, OutcomeReady, ReasonIO, "main.serve"
	want.FD, want.Proto, want.Role, want.Local, want.Peer = 9, ProtoTCP, RoleAccepted, "10.0.0.1:80", "10.0.0.2:4000"
	want.Idle = 100
	var w Wait
	if m.Wait(&w); w != want {
		t.Errorf("got  %+v\nwant %+v", w, want)
	}
	m.Open, want.Kind, want.Outcome = true, KindOpen, ""
	if m.Wait(&w); w != want {
		t.Errorf("open: got  %+v\nwant %+v", w, want)
	}
}

func BenchmarkMomentsToWait(b *testing.B) {
	endpoint := dialed()
	var w Wait
	b.ReportAllocs()
	for b.Loop() {
		m := Moments{
			Park: parked, Ready: at(1060), Runnable: at(1090), Resume: resumed, Pending: at(1020), TracksSends: true,
			Op: OpRead, Outcome: OutcomeReady, Reason: ReasonIO, StartFunc: "main.serve", Endpoint: endpoint,
		}
		m.Wait(&w)
	}
}
