package explain

import (
	"slices"
	"strings"
	"time"

	"github.com/netpolltrace/netpolltrace/internal/recent"
	"github.com/netpolltrace/netpolltrace/wait"
)

// keptStays is how many waits of each goroutine are kept to tell what it did while
// it held something.
const keptStays = 4

// stay is a wait of a goroutine, as far as it tells what the goroutine did while it
// held something.
type stay struct {
	stack      *wait.Stack
	at         *where
	peer       string
	start, end int64
}

// lately is what a goroutine did that tells what it holds.
type lately struct {
	stays   [keptStays]stay // a ring
	n       int             // of all so far
	asked   int64           // when it last began to wait for a lock or for one of a pool,
	got     int64           // and when it got it
	from    wait.Thing      // what that was, with who had held it
	channel *wait.Stack     // where it last waited for a channel
	used    poolKey         // the pool that it last used one of
	start   string          // the function that it was started with
	parent  uint64          // who started it; 0 when not known
	serves  string          // the peer that it is known to serve by its starter
}

// last is the latest wait.
func (l *lately) last() stay {
	if l.n == 0 {
		return stay{}
	}
	return l.stays[(l.n-1)%keptStays]
}

// during is the wait that took most of [from, to); it has no stack if there was
// none.
func (l *lately) during(from, to int64) stay {
	var longest stay
	most := int64(0)
	for _, s := range l.stays {
		if d := min(s.end, to) - max(s.start, from); d > most && s.stack != nil {
			longest, most = s, d
		}
	}
	return longest
}

// things finds out what goroutines waited for by themselves.
type things struct {
	finder finder
	pools  recent.Map[poolKey, *pool]
	peers  recent.Map[starter, string]
}

// starter is a goroutine that started others.
type starter struct {
	process *wait.Process
	goid    uint64
}

// maxStarters is how many starters are remembered at least.
const maxStarters = 1 << 12

func newThings() things {
	return things{
		finder: newFinder(),
		pools:  recent.Map[poolKey, *pool]{Limit: maxPools},
		peers:  recent.Map[starter, string]{Limit: maxStarters},
	}
}

// of is what a goroutine waited for, at a stack that tells at. waker is who ended it,
// nil where that one is not known; g is the goroutine itself, nil where none are
// remembered. The causes of the wait are known already.
func (t *things) of(w *wait.Wait, at *where, g, waker *goroutine, causes []wait.Cause) wait.Thing {
	peer := w.Peer
	if peer == "" {
		peer = peerOf(causes)
	}
	thing := wait.Thing{Kind: kindOf(w, at.place, waker, causes)}
	switch thing.Kind {
	case wait.ThingLock:
		t.held(&thing, w, waker)
	case wait.ThingPool:
		t.askPool(&thing, w, at.place, waker, peer)
	case wait.ThingReply, wait.ThingChannel:
		t.serving(&thing, w, waker, peer)
	case wait.ThingDial, wait.ThingSend, wait.ThingClient, wait.ThingEndpoint:
		thing.Peer = peer
	}
	var used poolKey
	if at.pool != "" && thing.Kind == wait.ThingReply {
		used = poolKey{w.Process, at.pool, peer}
		t.pool(used).use(w, at.user)
	}
	if g != nil {
		g.lately.did(w, at, thing, peer, used)
		t.serve(w, &g.lately)
	}
	return thing
}

// serving fills in the peer of a reply: the one that the wait was for in the end or, if
// it was for none, the one that the library's goroutine serves which ended it. What a
// library waits for by a channel from such a goroutine is part of the reply.
func (t *things) serving(thing *wait.Thing, w *wait.Wait, waker *goroutine, peer string) {
	reply := thing.Kind == wait.ThingReply
	if waker != nil && w.Stack != nil && (reply && peer == "" || !reply && w.Stack.Via != "") {
		served := waker.lately.serves
		if served == "" {
			served, _ = t.peers.Get(starter{w.Process, waker.lately.parent})
		}
		if served != "" {
			thing.Kind, peer, reply = wait.ThingReply, served, true
		}
	}
	if reply {
		thing.Peer = peer
	}
}

// serve remembers the peer whose connection a library's goroutine reads, under the
// goroutine that started it: that one starts one to read and one to write, of which
// only the first waits for the peer. A starter of several for several peers tells
// nothing.
func (t *things) serve(w *wait.Wait, l *lately) {
	if w.Role != wait.RoleDialed || w.Peer == "" || w.ParentGoid == 0 || w.Stack == nil || w.Stack.Own != "" || l.serves == w.Peer {
		return
	}
	l.serves = w.Peer
	key := starter{w.Process, w.ParentGoid}
	if known, ok := t.peers.Get(key); ok && known != w.Peer {
		t.peers.Put(key, "")
		return
	}
	t.peers.Put(key, w.Peer)
}

// did takes in what the goroutine waited for.
func (l *lately) did(w *wait.Wait, at *where, thing wait.Thing, peer string, used poolKey) {
	end := w.Start + int64(w.Total)
	switch thing.Kind {
	case wait.ThingLock, wait.ThingPool:
		l.asked, l.got, l.from = w.Start, end, thing
	case wait.ThingChannel:
		l.channel = w.Stack
	}
	if used.name != "" {
		l.used = used
	}
	l.start, l.parent = w.StartFunc, w.ParentGoid
	l.stays[l.n%keptStays] = stay{w.Stack, at, peer, w.Start, end}
	l.n++
}

// kindOf is the kind of thing that a goroutine waited for at a place, nil if that
// is none of the table.
func kindOf(w *wait.Wait, at *place, waker *goroutine, causes []wait.Cause) wait.ThingKind {
	if w.Reason == wait.ReasonIO || w.Op != "" {
		return networkKind(w, at)
	}
	kind := reasons[w.Reason]
	switch {
	case strings.HasPrefix(w.Reason, "GC "):
		return wait.ThingGC
	case kind == wait.ThingLock:
		return kind
	case at.dialedBy(w, waker):
		return wait.ThingDial
	case at != nil && at.blocked != "":
		return at.blocked
	case len(causes) == 1 && causes[0].Kind == wait.CauseTimer:
		return wait.ThingTimer
	case kind == wait.ThingChannel && limits(w, waker):
		return wait.ThingPool
	case kind != "":
		return kind
	}
	return wait.ThingUnknown
}

// dialedBy tells whether a wait at the place was ended by a goroutine that made a
// connection. One that is not known was started for that, and made it without
// waiting.
func (p *place) dialedBy(w *wait.Wait, waker *goroutine) bool {
	if p == nil || len(p.dialers) == 0 || w.WakerGoid == 0 {
		return false
	}
	return waker == nil ||
		slices.ContainsFunc(p.dialers, func(start string) bool { return strings.HasPrefix(waker.lately.start, start) })
}

// networkKind is that of a wait in the netpoller.
func networkKind(w *wait.Wait, at *place) wait.ThingKind {
	switch {
	case w.Op == wait.OpConnect:
		return wait.ThingDial
	case w.Role == wait.RoleAccepted, w.Role == wait.RoleListening:
		return wait.ThingClient
	case !isSocket(w.Proto):
		return wait.ThingEndpoint
	case at != nil && at.network != "":
		return at.network
	case w.Op == wait.OpWrite:
		return wait.ThingSend
	}
	return wait.ThingReply
}

// isSocket tells whether a descriptor is a socket, as those are of which nothing
// is known, mostly.
func isSocket(proto string) bool {
	switch proto {
	case "", wait.ProtoTCP, wait.ProtoMPTCP, wait.ProtoUDP, wait.ProtoUnix, wait.ProtoUnixgram, wait.ProtoSocket:
		return true
	}
	return false
}

// limits tells whether a channel is used to limit how many do something at the
// same time: who ended the wait had waited at the same line, and since then for
// something else.
func limits(w *wait.Wait, waker *goroutine) bool {
	if waker == nil || w.Stack == nil || waker.lately.channel == nil {
		return false
	}
	same := waker.lately.channel
	return same.Line == w.Stack.Line && same.Func == w.Stack.Func && waker.lately.last().stack != same
}

// heldSince is when the waker of a wait began to hold what was waited for, within
// the wait.
func heldSince(w *wait.Wait, waker *goroutine) int64 { return max(w.Start, waker.lately.got) }

// madeRunnable is when a blocked wait was over, but for the scheduler.
func madeRunnable(w *wait.Wait) int64 { return w.Start + int64(w.Blocked) }

// held fills in who held what was waited for: its waker, where it waited longest
// meanwhile, or where it was when it gave it back; who used it, of one of a pool. Where
// the waker waited for the same itself most of the time, it is who held it before.
func (t *things) held(thing *wait.Thing, w *wait.Wait, waker *goroutine) {
	thing.HeldBy = w.WakerLine
	if waker == nil || w.Blocked <= 0 {
		return
	}
	since, until := heldSince(w, waker), madeRunnable(w)
	if from := &waker.lately.from; from.Kind == thing.Kind && since-max(waker.lately.asked, w.Start) > until-since {
		thing.HeldBy, thing.HeldByFunc, thing.HeldFor = from.HeldBy, from.HeldByFunc, from.HeldFor
		return
	}
	s := waker.lately.during(since, until)
	if s.stack == nil || thing.Kind == wait.ThingPool && s.stack.Own == "" {
		return // a library's goroutine uses nothing for itself
	}
	thing.HeldFor = s.peer
	at := spotOf(s.stack)
	if s.at.pool != "" && thing.Kind == wait.ThingPool {
		at = s.at.user
	}
	thing.HeldBy, thing.HeldByFunc = at.line, at.function
}

// peerOf is the peer that most of some causes are about; empty if none is.
func peerOf(causes []wait.Cause) string {
	var peer string
	var most time.Duration
	for _, c := range causes {
		if c.Peer == "" {
			continue
		}
		var sum time.Duration
		for _, same := range causes {
			if same.Peer == c.Peer {
				sum += same.Time
			}
		}
		if sum > most {
			peer, most = c.Peer, sum
		}
	}
	return peer
}
