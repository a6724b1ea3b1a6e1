package dtrace

import (
	"math"

	"github.com/netpolltrace/netpolltrace/gobinary"
	"github.com/netpolltrace/netpolltrace/wait"
)

// maxSlots bounds how many goroutines are kept that wait.
const maxSlots = 1 << 20

// joiner makes waits of records that are in the order of their times. It keeps
// one slot for each goroutine that waits.
type joiner struct {
	process *wait.Process
	system  string // GOOS
	reasons []string
	decode  func(data uint64) (pd uint64) // of what epoll returns
	symbols symbols
	probed  struct{ park, ready uint64 } // link-time addresses of the functions whose probes tell theirs
	all     bool                         // mode all: another goroutine's stack is read apart

	wallOffset int64 // wall clock minus the clock of records
	began, end int64 // the first and the last time that was seen
	slots      map[uint64]*slot
	events     map[watched]*event
	sockets    sockets
	losses     *losses
	sink       func(*wait.Wait) error
}

// slot is a goroutine that waits.
type slot struct {
	park     int64
	before   bool // it parked before the recording began
	told     bool // the rest of this group was recorded
	goid     uint64
	reason   uint64
	pd       uint64
	write    bool
	fd       int32
	start    uint64
	creation uint64
	parent   uint64

	stack *wait.Stack

	ready     int64 // when kevent had its event, if it slept until then
	runnable  int64
	byNetpoll bool
	expired   bool // a timer of the netpoller made it runnable
	waker     uint64
	wakerAt   *wait.Stack
}

// watched is one direction of what the netpoller watches: by descriptor on
// kqueue, by pollDesc on epoll.
type watched struct {
	id    uint64
	write bool
}

// event is the last one that the kernel returned for it.
type event struct {
	time   int64
	sleeps bool // the poll may have slept until it came
	taken  bool // it has ended a wait
}

func newJoiner(b *gobinary.Binary, process *wait.Process, losses *losses, sink func(*wait.Wait) error) (*joiner, error) {
	reasons, err := b.WaitReasons()
	if err != nil {
		return nil, err
	}
	return &joiner{
		process: process, system: b.OS, reasons: reasons, decode: b.EpollDecodings()[0].PollDesc,
		symbols: symbols{binary: b, code: wait.NewCode(b.Modules(), nil)},
		slots:   make(map[uint64]*slot), events: make(map[watched]*event),
		sockets: sockets{system: b.OS, byFD: make(map[int32]*socket)},
		losses:  losses, sink: sink,
	}, nil
}

// begin takes what the script says at its start.
func (j *joiner) begin(r *record, mode wait.Mode) {
	e := j.symbols.binary.Entries()
	j.all = mode == wait.ModeAll
	j.probed.park, j.probed.ready = e.Commit.Addr, e.Goready.Addr
	if j.all {
		j.probed.park, j.probed.ready = e.ParkM.Addr, e.Ready.Addr
	}
	j.began, j.end = r.time, r.time
	j.wallOffset = int64(r.number[1]) - r.time
}

// take joins one record.
func (j *joiner) take(r *record) error {
	j.end = max(j.end, r.time)
	switch r.kind {
	case kindPark:
		j.park(r)
	case kindInfo:
		j.info(r)
	case kindStack:
		j.stack(r)
	case kindEvent:
		j.event(r)
	case kindNetpoll:
		j.netpoll(r)
	case kindReady:
		j.ready(r)
	case kindWaker:
		j.waker(r)
	case kindResume:
		return j.resume(r)
	case kindSocket:
		j.sockets.happened(r.words[0], fdOf(r.signed(1)), [4]uint64{r.at(2), r.at(3), r.at(4), r.at(5)})
	case kindSend:
		j.sockets.sent(fdOf(r.signed(0)), r.time)
	case kindReceive:
		j.sockets.received(fdOf(r.signed(0)))
	case kindFault:
		j.losses.Faults++
	}
	return nil
}

// fdOf is a descriptor's number, or -1 for what is none.
func fdOf(n int64) int32 {
	if n < 0 || n > math.MaxInt32 {
		return -1
	}
	return int32(n)
}

func (j *joiner) park(r *record) {
	g := r.at(0)
	if s := j.slots[g]; s != nil && !s.before {
		j.losses.Unended++
	}
	j.open(g, slot{park: r.time, fd: -1})
}

// open puts a goroutine into a slot.
func (j *joiner) open(g uint64, s slot) *slot {
	if _, known := j.slots[g]; !known && len(j.slots) >= maxSlots {
		j.losses.Overflow++
		return nil
	}
	j.slots[g] = &s
	return &s
}

func (j *joiner) info(r *record) {
	s := j.slots[r.at(0)]
	if s == nil || s.before {
		return
	}
	s.told, s.goid, s.reason = true, r.at(1), r.at(2)
	s.pd, s.write, s.fd = r.at(3), r.at(4) != 0, -1
	if s.pd != 0 {
		s.fd = fdOf(r.signed(5))
	}
	s.start, s.creation, s.parent = r.at(6), r.at(7), r.at(8)
}

func (j *joiner) stack(r *record) {
	j.symbols.located(r.at(1), j.probed.park)
	if s := j.slots[r.at(0)]; s != nil && !s.before {
		s.stack = j.symbols.stack(r.number[5 : 5+parkFrames])
	}
}

// Events of kqueue and epoll. See sys/event.h, sys/epoll.h, and netpoll in
// https://github.com/golang/go/blob/go1.26.0/src/runtime/netpoll_kqueue.go and
// netpoll_epoll.go there, for which of them wakes whom.
const (
	filterRead  = -1
	filterWrite = -2
	eventEOF    = 0x8000

	epollIn, epollOut, epollErr, epollHup, epollRdHup = 0x1, 0x4, 0x8, 0x10, 0x2000
)

// event notes what the kernel returned.
func (j *joiner) event(r *record) {
	var id uint64
	var read, write bool
	if fd, filter, flags := r.signed(1), r.signed(2), r.at(3); fd >= 0 {
		id = uint64(fd)
		read, write = filter == filterRead, filter == filterWrite || filter == filterRead && flags&eventEOF != 0
	} else {
		id = j.decode(r.at(4))
		read, write = flags&(epollIn|epollRdHup|epollHup|epollErr) != 0, flags&(epollOut|epollHup|epollErr) != 0
	}
	for _, direction := range [...]struct{ happened, write bool }{{read, false}, {write, true}} {
		if direction.happened {
			j.events[watched{id, direction.write}] = &event{time: r.time, sleeps: r.at(0) != 0}
		}
	}
}

// lastEvent is the last event for what a slot waits for, that has not ended
// another wait; nil if there is none.
func (j *joiner) lastEvent(s *slot) *event {
	id := s.pd
	if j.system != "linux" {
		id = uint64(s.fd)
	}
	if e := j.events[watched{id, s.write}]; s.pd != 0 && e != nil && !e.taken {
		return e
	}
	return nil
}

// netpoll takes the netpoller's finding of an event: rg and wg are 0, 1 or 2
// where nobody waits.
func (j *joiner) netpoll(r *record) {
	const pdWait = 2
	pd, mode, reads, writes := r.at(0), r.signed(1), r.at(2), r.at(3)
	for _, side := range [...]struct {
		g     uint64
		write bool
		has   bool
	}{
		{reads, false, mode == 'r' || mode == 'r'+'w'},
		{writes, true, mode == 'w' || mode == 'r'+'w'},
	} {
		if !side.has || side.g <= pdWait {
			continue
		}
		s := j.slots[side.g]
		if s == nil {
			if s = j.open(side.g, slot{before: true, park: j.began, pd: pd, write: side.write, fd: -1}); s == nil {
				continue
			}
		}
		s.runnable, s.byNetpoll = r.time, true
		j.claim(s)
	}
}

// claim ends a slot's wait with the event for it. When the kernel had it is known
// only if the poll slept until then; the event of one that did not is older than
// the poll.
func (j *joiner) claim(s *slot) *event {
	e := j.lastEvent(s)
	if e == nil {
		return nil
	}
	e.taken = true
	if e.sleeps {
		s.ready = max(e.time, s.park)
	}
	return e
}

func (j *joiner) ready(r *record) {
	g := r.at(0)
	s := j.slots[g]
	if s == nil {
		if s = j.open(g, slot{before: true, park: j.began, fd: -1}); s == nil {
			return
		}
	}
	s.runnable, s.expired = r.time, r.at(1) != 0
}

func (j *joiner) waker(r *record) {
	s := j.slots[r.at(0)]
	if s == nil || s.runnable == 0 {
		return
	}
	j.symbols.located(r.at(4), j.probed.ready)
	if s.before {
		s.told, s.goid, s.reason = true, r.at(2), r.at(3)
	}
	if s.waker = r.at(1); s.waker == 0 {
		return
	}
	chain := r.number[8 : 9+wakerFrames] // the return address, unless the stack begins below it
	if chain[0] == 0 {
		chain = chain[1:]
	}
	s.wakerAt = j.symbols.stack(chain)
}

func (j *joiner) resume(r *record) error {
	g := r.at(0)
	s := j.slots[g]
	if s == nil || s.before && s.runnable == 0 {
		return nil
	}
	delete(j.slots, g)
	if s.pd != 0 && s.runnable == 0 {
		if e := j.claim(s); e != nil { // netpollready was inlined, or its record was lost
			s.runnable, s.byNetpoll = max(e.time, s.park), true
		}
	}
	w := j.wait(s, r.time, false)
	if r.tid >= 0 && r.tid <= math.MaxInt32 {
		w.TID = int32(r.tid)
	}
	return j.sink(w)
}

// wait says what a slot's wait was, up to a time.
func (j *joiner) wait(s *slot, until int64, open bool) *wait.Wait {
	m := wait.Moments{
		Park: s.park, Ready: s.ready, Runnable: s.runnable, Resume: until, WallOffset: j.wallOffset,
		Open: open, StartedBefore: s.before,
		Outcome: j.outcome(s), Reason: j.reason(s),
	}
	if s.start != 0 {
		m.StartFunc = j.symbols.function(s.start)
	}
	if m.Reason == wait.ReasonIO {
		j.endpoint(s, &m)
	}
	var w wait.Wait
	m.Wait(&w)
	w.Process, w.Goid, w.ParentGoid, w.Stack = j.process, s.goid, s.parent, s.stack
	w.CreatorLine = j.symbols.line(s.creation)
	if s.waker != 0 && !s.byNetpoll {
		w.WakerGoid, w.WakerPID = s.waker, j.process.PID
		if s.wakerAt != nil {
			w.WakerLine = s.wakerAt.Line
		}
	}
	return &w
}

// endpoint fills in what a wait in the netpoller is for.
func (j *joiner) endpoint(s *slot, m *wait.Moments) {
	endpoint := wait.Endpoint{FD: s.fd}
	if d := j.sockets.byFD[s.fd]; d != nil {
		endpoint = d.Endpoint()
		m.Pending, m.TracksSends = d.pending, d.tracked
		if s.write && m.Outcome == wait.OutcomeReady {
			d.Connecting = false
		}
	}
	m.Endpoint, m.Op = &endpoint, endpoint.Op(s.write)
}

func (j *joiner) outcome(s *slot) wait.Outcome {
	switch {
	case j.reason(s) != wait.ReasonIO:
		return wait.OutcomeReady
	case s.byNetpoll:
		return wait.OutcomeReady
	case s.runnable != 0 && s.expired:
		return wait.OutcomeTimeout
	case s.runnable != 0:
		return endedBy(s.wakerAt)
	}
	return wait.OutcomeUnknown
}

func (j *joiner) reason(s *slot) string {
	switch {
	case s.pd != 0 || !j.all:
		return wait.ReasonIO
	case s.told && s.reason < uint64(len(j.reasons)):
		return j.reasons[s.reason]
	}
	return "unknown"
}

// finish reports the waits that are not over.
func (j *joiner) finish() error {
	for _, s := range j.slots {
		if s.before {
			continue // it was made runnable, and did not run in time
		}
		if err := j.sink(j.wait(s, j.end, true)); err != nil {
			return err
		}
	}
	clear(j.slots)
	return nil
}
