package findings

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/netpolltrace/netpolltrace/report"
	"github.com/netpolltrace/netpolltrace/wait"
)

// What makes a peer slow. The figures are chosen so that the usual spread
// between equal servers (caches warm and cold, near and far in one data
// centre) raises no alarm.
const (
	slowMinWaits  = 30               // of each peer that is compared
	slowFactor    = 4                // times the median of its siblings
	slowMargin    = time.Millisecond // and more than them by at least this
	slowAlike     = 3                // siblings differ by at most this factor, where they may be of different services
	slowMaxPeers  = 10_000           // pairs of peer and line that are kept
	slowMaxShown  = 3                // findings, the slowest first
	slowMaxNamed  = 3                // siblings named in a sentence
	wireShare     = 0.25             // of the answer's time: a round trip above it is the wire's fault
	wireResentPer = 100              // one retransmission in so many waits is normal
)

// slowPeer looks for a peer that answers later than others that are asked the
// same. Who is asked from the same line of the program is asked the same. A
// line of a library is shared by all its users, so for those only peers on the
// same port are compared, and only if the others are alike.
//
// Where a library's goroutine read the answer, as net/http's does, who is asked is
// told by the wait of the program's code that it ended.
//
// It looks at the time until the kernel had the answer, without the time in
// which no reply was pending: what the program or its CPU adds is not the
// peer's. The wire is judged by the minimum round trip: the smoothed one
// includes the peer's own time wherever the answer carries the acknowledgement.
type slowPeer struct {
	empty   report.Distribution // what a new peer begins with
	peers   map[peerLine]*peerStats
	unknown uint64 // answers of which the idle or network part was not measured
}

type peerLine struct{ peer, line string }

type peerStats struct {
	peer     string
	library  bool // the line is not of the program itself
	answers  report.Distribution
	wire     wire
	answered time.Duration // sum of answers
}

// wire is what TCP knows of the way to a peer.
type wire struct {
	rtt    time.Duration // the minimum round trip; 0 until there is one
	resent uint64
}

func newSlowPeer(empty report.Distribution) *slowPeer {
	return &slowPeer{empty: empty, peers: map[peerLine]*peerStats{}}
}

// Wait implements [wait.Sink].
func (s *slowPeer) Wait(w *wait.Wait) error {
	if w.Kind != wait.KindWait || w.StartedBefore {
		return nil
	}
	if peer, answer := answeredByLibrary(w); peer != "" {
		if stats := s.stats(peer, w.Stack); stats != nil {
			stats.add(answer)
		}
		return nil
	}
	if w.Role != wait.RoleDialed || w.Op != wait.OpRead || w.Peer == "" {
		return nil
	}
	switch {
	case w.Network < 0 && w.Outcome != wait.OutcomeReady:
		return nil // no answer came
	case w.Network < 0 || w.Idle < 0:
		s.unknown++
		return nil
	case w.Idle > 0 && w.Idle >= w.Network:
		return nil // no reply was pending
	}
	stats := s.stats(w.Peer, w.Stack)
	if stats == nil {
		return nil
	}
	stats.add(w.Network - w.Idle)
	if w.HasTCP {
		stats.wire.meet(wire{time.Duration(w.MinRTT) * time.Microsecond, uint64(w.Retransmits)})
	}
	return nil
}

// answeredByLibrary is whose answer a wait of the program's code for a library's
// goroutine was for, and how long that took: most of the wait. The peer is empty for
// other waits.
func answeredByLibrary(w *wait.Wait) (peer string, answer time.Duration) {
	if w.Op != "" || w.Explanation == nil || isLibrary(w.Stack) {
		return "", 0
	}
	for _, c := range w.Explanation.Causes {
		if c.Kind == wait.CauseNetwork && c.Own == "" && c.Time > w.Total/2 {
			return c.Peer, c.Time
		}
	}
	return "", 0
}

// stats finds those of a peer that is asked at a stack; nil if there are too many.
func (s *slowPeer) stats(peer string, stack *wait.Stack) *peerStats {
	key := peerLine{peer: peer}
	if stack != nil {
		key.line = stack.Line
	}
	if stats, ok := s.peers[key]; ok {
		return stats
	}
	return s.add(key, isLibrary(stack))
}

// add adds a peer, unless there are too many.
func (s *slowPeer) add(key peerLine, library bool) *peerStats {
	if len(s.peers) == slowMaxPeers {
		return nil
	}
	stats := &peerStats{peer: key.peer, answers: s.empty, library: library}
	s.peers[key] = stats
	return stats
}

func (s *slowPeer) merge(other detector) {
	from := other.(*slowPeer)
	s.unknown += from.unknown
	for key, theirs := range from.peers {
		stats, ok := s.peers[key]
		if !ok {
			stats = s.add(key, theirs.library)
		}
		if stats != nil {
			stats.merge(theirs)
		}
	}
}

// add counts an answer.
func (p *peerStats) add(answer time.Duration) {
	p.answers.Add(answer, 1)
	p.answered += answer
}

func (p *peerStats) merge(other *peerStats) {
	p.answers.Merge(&other.answers)
	p.wire.meet(other.wire)
	p.answered += other.answered
}

// meet takes note of what else is known.
func (w *wire) meet(other wire) {
	if w.rtt == 0 || other.rtt > 0 && other.rtt < w.rtt {
		w.rtt = other.rtt
	}
	w.resent += other.resent
}

// Event implements [wait.Sink].
func (s *slowPeer) Event(*wait.Event) error { return nil }

// isLibrary tells whether a stack has no function of the program's own, so that
// its line is a library's.
func isLibrary(stack *wait.Stack) bool { return stack == nil || stack.Own == "" }

func (s *slowPeer) answer() Answer {
	slow := map[string]report.Finding{}
	compared := false
	for _, group := range s.groups() {
		if len(group.peers) < group.needed {
			continue
		}
		compared = true
		for i, p := range group.peers {
			if f, ok := judge(i, group); ok {
				slow[p.peer] = worse(slow[p.peer], f)
			}
		}
	}
	var found []report.Finding
	for _, f := range slow {
		found = append(found, f)
	}
	slices.SortFunc(found, func(a, b report.Finding) int {
		return cmp.Or(cmp.Compare(b.Numbers["lost_ns"], a.Numbers["lost_ns"]), strings.Compare(a.Subject, b.Subject))
	})
	found = found[:min(len(found), slowMaxShown)]
	if compared {
		return Answer{Findings: found}
	}
	return Answer{NotEnough: s.notEnough()}
}

func (s *slowPeer) notEnough() string {
	if s.unknown > 0 {
		return fmt.Sprintf("%s answers without a measured network or idle part", report.FormatCount(s.unknown))
	}
	return fmt.Sprintf("no two peers that are asked the same have %d answers each", slowMinWaits)
}

// wires is what is known of the wire to each peer, whoever read.
func (s *slowPeer) wires() map[string]wire {
	wires := make(map[string]wire)
	for key, stats := range s.peers {
		known := wires[key.peer]
		known.meet(stats.wire)
		wires[key.peer] = known
	}
	return wires
}

// peer is one that is compared.
type peer struct {
	*peerStats
	median time.Duration // of its answers
	wire   wire
}

// peerGroup is peers that are asked the same.
type peerGroup struct {
	peers  []peer
	needed int  // peers, before one of them can be called slow
	alike  bool // whether the others have to be alike
}

// groups lists the peers with enough answers by what they are asked.
func (s *slowPeer) groups() []peerGroup {
	byLine, byPort := map[string][]peer{}, map[string][]peer{}
	scratch := s.empty
	wires := s.wires()
	for key, stats := range s.peers {
		if stats.answers.Count() < slowMinWaits {
			continue
		}
		wire := stats.wire
		if wire.rtt == 0 {
			wire = wires[key.peer] // its connections were read by a library
		}
		p := peer{stats, median(&stats.answers, &scratch), wire}
		if p.library {
			port := portOf(p.peer) + " " + key.line
			byPort[port] = append(byPort[port], p)
		} else {
			byLine[key.line] = append(byLine[key.line], p)
		}
	}
	var groups []peerGroup
	for _, peers := range byLine {
		groups = append(groups, peerGroup{peers: peers, needed: 2})
	}
	for _, peers := range byPort {
		groups = append(groups, peerGroup{peers: peers, needed: 3, alike: true})
	}
	return groups
}

// portOf is the port of a peer; the address of one that has none.
func portOf(peer string) string {
	if _, port, ok := wait.CutPort(peer); ok {
		return port
	}
	return peer
}

// judge compares a peer with its siblings.
func judge(i int, group peerGroup) (report.Finding, bool) {
	p := group.peers[i]
	siblings := slices.Delete(slices.Clone(group.peers), i, i+1)
	slices.SortFunc(siblings, func(a, b peer) int {
		return cmp.Or(cmp.Compare(a.median, b.median), strings.Compare(a.peer, b.peer))
	})
	usual := siblings[len(siblings)/2].median
	if p.median < slowFactor*usual || p.median < usual+slowMargin {
		return report.Finding{}, false
	}
	if group.alike && siblings[len(siblings)-1].median > slowAlike*siblings[0].median {
		return report.Finding{}, false
	}
	return p.finding(siblings, usual), true
}

func (p *peer) finding(siblings []peer, usual time.Duration) report.Finding {
	f := report.Finding{
		ID: "slow_peer", Title: "Slow peer", Severity: report.SeverityWarning, Subject: p.peer,
		Sentences: []string{fmt.Sprintf("%s answers in %s (p50); %s in %s.",
			p.peer, report.FormatDuration(p.median), names(siblings), report.FormatDuration(usual))},
		Numbers: map[string]float64{
			"waits": float64(p.answers.Count()), "p50_ns": float64(p.median), "siblings_p50_ns": float64(usual),
			// What would not have been waited if it were like the others.
			"lost_ns": float64(p.answered) - float64(usual)*float64(p.answers.Count()),
		},
	}
	if p.wire.rtt == 0 {
		return f
	}
	f.Numbers["min_rtt_ns"], f.Numbers["retransmits"] = float64(p.wire.rtt), float64(p.wire.resent)
	verdict := "The wire is fine"
	if float64(p.wire.rtt) > wireShare*float64(p.median) || p.wire.resent*wireResentPer > p.answers.Count() {
		verdict = "The wire is part of it"
	}
	f.Sentences = append(f.Sentences, fmt.Sprintf("%s (min RTT %s, %s retransmits).",
		verdict, report.FormatDuration(p.wire.rtt), report.FormatCount(p.wire.resent)))
	return f
}

// names lists the siblings, fastest first, and counts those that are too many
// to name.
func names(siblings []peer) string {
	var list []string
	for i, s := range siblings {
		if i == slowMaxNamed {
			list = append(list, fmt.Sprintf("%d others", len(siblings)-i))
			break
		}
		list = append(list, s.peer)
	}
	return strings.Join(list, ", ")
}

// worse is the finding that lost more time; a zero one loses nothing.
func worse(a, b report.Finding) report.Finding {
	if a.ID == "" || b.Numbers["lost_ns"] > a.Numbers["lost_ns"] {
		return b
	}
	return a
}
