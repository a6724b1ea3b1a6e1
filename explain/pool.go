package explain

import (
	"github.com/netpolltrace/netpolltrace/wait"
)

// Bounds of what is known of pools: 4 KiB of each.
const (
	maxPools   = 64 // at least
	maxUses    = 64 // the latest of each
	maxMoments = 8  // of each, at which its users are counted
)

// poolKey names a pool: that of a library for a peer.
type poolKey struct {
	process    *wait.Process
	name, peer string
}

// pool is what is known of the users of one: the waits of those who had one of it.
type pool struct {
	uses    [maxUses]usage // a ring
	n       int            // of all so far
	moments [maxMoments]moment
	asked   int // moments so far
	most    int // users at one moment
}

// usage is a wait for a peer by who had one of the pool.
type usage struct {
	goid       uint64
	user       spot
	start, end int64
}

// moment is one at which somebody began to wait for the pool, so that all of it
// were in use. The waits of its users then come before the one for the pool, or
// after it.
type moment struct {
	at    int64
	users int
}

func (t *things) pool(key poolKey) *pool {
	p, ok := t.pools.Get(key)
	if !ok {
		p = new(pool)
		t.pools.Put(key, p)
	}
	return p
}

// use takes in a wait of who has one of the pool.
func (p *pool) use(w *wait.Wait, user spot) {
	u := usage{w.Goid, user, w.Start, w.Start + int64(w.Total)}
	p.uses[p.n%maxUses] = u
	p.n++
	for i := range p.moments[:min(p.asked, maxMoments)] {
		if m := &p.moments[i]; u.start <= m.at && m.at < u.end {
			m.users++
			p.most = max(p.most, m.users)
		}
	}
}

// ask counts who used the pool when somebody began to wait for it, and returns how
// many were seen to at one time so far.
func (p *pool) ask(at int64) int {
	m := moment{at: at}
	for _, u := range p.uses[:min(p.n, maxUses)] {
		if u.start <= at && at < u.end {
			m.users++
		}
	}
	p.moments[p.asked%maxMoments] = m
	p.asked++
	p.most = max(p.most, m.users)
	return p.most
}

// longest is who used the pool longest in [from, to), and by how much. The goroutine
// except does not count.
func (p *pool) longest(from, to int64, except uint64) (user spot, most int64) {
	var sums [maxUses]struct {
		user spot
		time int64
	}
	n := 0
	for _, u := range p.uses[:min(p.n, maxUses)] {
		d := min(u.end, to) - max(u.start, from)
		if d <= 0 || u.goid == except {
			continue
		}
		i := 0
		for i < n && sums[i].user != u.user {
			i++
		}
		sums[i].user = u.user
		sums[i].time += d
		n = max(n, i+1)
		if sums[i].time > most {
			user, most = u.user, sums[i].time
		}
	}
	return user, most
}

// askPool fills in what is known of the pool that a wait was for. Where nobody was
// seen to use it, as of a limit that is no pool of connections, its waker is the
// one user that is known.
func (t *things) askPool(thing *wait.Thing, w *wait.Wait, at *place, waker *goroutine, peer string) {
	t.held(thing, w, waker)
	if at == nil {
		thing.Name = channelPool
		return
	}
	thing.Name = at.name
	key := poolKey{w.Process, at.name, peer}
	var since int64
	if waker != nil {
		since = heldSince(w, waker)
		if used := waker.lately.used; used.name == at.name && used.process == w.Process {
			key = used
		}
	}
	p, ok := t.pools.Get(key)
	if !ok {
		return
	}
	thing.Peer = key.peer
	thing.InUse = p.ask(w.Start)
	to := w.Start + max(int64(w.Blocked), 0)
	if user, longest := p.longest(w.Start, to, w.WakerGoid); longest > 0 && (thing.HeldByFunc == "" || longest > to-since) {
		thing.HeldBy, thing.HeldByFunc, thing.HeldFor = user.line, user.function, key.peer
	}
}

// channelPool is the name of a limit that is a channel.
const channelPool = "channel"
