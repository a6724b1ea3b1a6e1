package report

import (
	"slices"
	"time"

	"github.com/netpolltrace/netpolltrace/wait"
)

// The parts of a wait, as indexes.
const (
	partNetwork = iota
	partNetpoll
	partBlocked
	partSched
	partCount
)

// What else a wait can lack, as further indexes.
const (
	lackOutcome = partCount + iota
	lackPoller
	lackCount
)

// parts is one wait's total and its parts, [wait.Unmeasured] where no probe
// measured one.
type parts struct {
	polled bool // whether the netpoller was to end the wait
	total  time.Duration
	part   [partCount]time.Duration
	// Of one that the netpoller was to end it is not known how it ended, and
	// who found the event.
	noOutcome, noPoller bool
}

func partsOf(w *wait.Wait) parts {
	polled := isNetwork(w)
	return parts{
		polled:    polled,
		total:     max(w.Total, 0),
		part:      [partCount]time.Duration{w.Network, w.Netpoll, w.Blocked, w.Sched},
		noOutcome: polled && w.Outcome == wait.OutcomeUnknown,
		noPoller:  polled && w.Outcome == wait.OutcomeReady && w.Poller == "",
	}
}

// awaited takes the idle time out of the part in which it passed. It is false
// if nobody awaited any of it.
func (p parts) awaited(idle time.Duration) (parts, bool) {
	before := partNetwork
	if p.part[partNetwork] < 0 {
		before = partBlocked
	}
	dataCame := p.part[partNetwork] >= 0
	passed := p.total
	if p.part[before] >= 0 {
		passed = p.part[before]
	}
	idle = min(idle, passed)
	if idle == passed && !dataCame {
		return parts{}, false
	}
	p.total -= idle
	if p.part[before] >= 0 {
		p.part[before] -= idle
	}
	return p, p.total > 0
}

// entirelyIdle tells whether no reply was pending until the wait's data came, or
// until it ended without data.
func (p parts) entirelyIdle(idle time.Duration) bool {
	for _, before := range [...]int{partNetwork, partBlocked} {
		if p.part[before] >= 0 {
			return idle >= p.part[before]
		}
	}
	return idle >= p.total
}

// tally is the sums and the distributions of some finished waits.
type tally struct {
	waits    uint64
	timeouts uint64
	inexact  uint64 // began before the recording: not in the distributions
	total    time.Duration
	sum      [partCount]time.Duration
	measured [partCount]uint64 // waits that have the part
	missing  [lackCount]uint64 // waits that should have it
	unsplit  time.Duration

	totals  Distribution
	network Distribution
	netpoll Distribution
	sched   Distribution
}

func newTally(s scale) *tally {
	t := &tally{}
	for _, d := range [...]*Distribution{&t.totals, &t.network, &t.netpoll, &t.sched} {
		d.scale = s
	}
	return t
}

// add adds count waits with the parts p. Only those that began after the
// recording did have an exact length and go into the distributions.
func (t *tally) add(p *parts, count uint64, timeout, exact bool) {
	n := time.Duration(count)
	t.waits += count
	if timeout {
		t.timeouts += count
	}
	t.total += p.total * n
	unsplit := p.total
	for i, d := range p.part {
		if d >= 0 {
			t.sum[i] += d * n
			t.measured[i] += count
			unsplit -= d
		}
	}
	t.unsplit += unsplit * n
	t.miss(p, count)
	if exact {
		t.distribute(p, count)
	} else {
		t.inexact += count
	}
}

// miss counts the parts that a wait should have and has not. One that was
// blocked has no network and no netpoll by its nature.
func (t *tally) miss(p *parts, count uint64) {
	if p.part[partBlocked] < 0 && !p.polled {
		t.missing[partBlocked] += count
	}
	if p.part[partBlocked] < 0 && p.polled {
		for _, i := range [...]int{partNetwork, partNetpoll} {
			if p.part[i] < 0 {
				t.missing[i] += count
			}
		}
	}
	if p.part[partSched] < 0 {
		t.missing[partSched] += count
	}
	if p.noOutcome {
		t.missing[lackOutcome] += count
	}
	if p.noPoller {
		t.missing[lackPoller] += count
	}
}

func (t *tally) distribute(p *parts, count uint64) {
	t.totals.Add(p.total, count)
	if d := p.part[partNetwork]; d >= 0 {
		t.network.Add(d, count)
	}
	if d := p.part[partNetpoll]; d >= 0 {
		t.netpoll.Add(d, count)
	}
	if d := p.part[partSched]; d >= 0 {
		t.sched.Add(d, count)
	}
}

// sumOf returns a tally of what is in all of them, which stay as they are; nil
// ones are nothing.
func sumOf(all []*tally) *tally {
	var sum *tally
	for i, t := range all {
		switch {
		case t == nil:
		case sum == nil && !slices.ContainsFunc(all[i+1:], func(t *tally) bool { return t != nil }):
			return t
		default:
			if sum == nil {
				sum = newTally(t.totals.scale)
			}
			sum.merge(t)
		}
	}
	return sum
}

// merge adds what is in other, which stays as it is.
func (t *tally) merge(other *tally) {
	t.waits += other.waits
	t.timeouts += other.timeouts
	t.inexact += other.inexact
	t.total += other.total
	t.unsplit += other.unsplit
	for i := range partCount {
		t.sum[i] += other.sum[i]
		t.measured[i] += other.measured[i]
	}
	for i := range lackCount {
		t.missing[i] += other.missing[i]
	}
	t.totals.Merge(&other.totals)
	t.network.Merge(&other.network)
	t.netpoll.Merge(&other.netpoll)
	t.sched.Merge(&other.sched)
}

// timeOf is the total of a tally, which can be nil.
func timeOf(t *tally) time.Duration {
	if t == nil {
		return 0
	}
	return t.total
}

// numbersOf says what is in all of the tallies, of which some can be nil. They may
// be read by others at the same time, so percentiles are taken of a copy, in
// scratch.
func numbersOf(scratch *Distribution, all ...*tally) Numbers {
	n := nothing()
	for _, t := range all {
		if t != nil {
			n = n.plus(t.sums())
		}
	}
	spread := func(of func(*tally) *Distribution) *Distribution {
		scratch.Reset()
		for _, t := range all {
			if t != nil {
				scratch.Merge(of(t))
			}
		}
		return scratch
	}
	totals := spread(func(t *tally) *Distribution { return &t.totals })
	n.P50, n.P90, n.P99, n.Max = totals.Quantile(0.5), totals.Quantile(0.9), totals.Quantile(0.99), totals.Max()
	n.NetworkP99 = spread(func(t *tally) *Distribution { return &t.network }).Quantile(0.99)
	n.NetpollP99 = spread(func(t *tally) *Distribution { return &t.netpoll }).Quantile(0.99)
	n.SchedP99 = spread(func(t *tally) *Distribution { return &t.sched }).Quantile(0.99)
	return n
}

// sums are the numbers of the tally without its percentiles.
func (t *tally) sums() Numbers {
	n := nothing()
	n.Waits, n.Timeouts, n.StartedBefore = t.waits, t.timeouts, t.inexact
	n.Total, n.Unsplit = t.total, t.unsplit
	for i, sum := range [...]*time.Duration{&n.Network, &n.Netpoll, &n.Blocked, &n.Sched} {
		if t.measured[i] > 0 {
			*sum = t.sum[i]
		}
	}
	n.NoNetwork, n.NoNetpoll = t.missing[partNetwork], t.missing[partNetpoll]
	n.NoBlocked, n.NoSched = t.missing[partBlocked], t.missing[partSched]
	n.NoOutcome, n.NoPoller = t.missing[lackOutcome], t.missing[lackPoller]
	return n
}
