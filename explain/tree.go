package explain

import (
	"cmp"
	"container/heap"
	"slices"
	"time"

	"github.com/netpolltrace/netpolltrace/wait"
)

// Node is a stretch of time in which a goroutine did one thing: it waited, or
// it ran.
type Node struct {
	Goid uint64
	From time.Time
	Time time.Duration
	// Wait is the goroutine's wait; nil for time in which it did not wait. Only
	// the stretch from From on is meant, which can be a part of it.
	Wait *wait.Wait
	// Parts are what the stretch was for, where no other goroutine ended the
	// wait or where it did not wait. They are in the order in which they came,
	// and add up to Time with the stretches in Waker.
	Parts []wait.Cause
	// Waker is what the goroutine that ended the wait did meanwhile, in the
	// order in which it did it.
	Waker []Node
}

// Bounds of a tree.
const (
	maxDepth       = 24      // goroutines, one waking the other
	keptWaits      = 16      // of each goroutine
	keptGoroutines = 1 << 12 // of each process, at least
)

// Slowest finds the waits that took longest and explains each as a tree: what
// it was for, down to the root. Of each goroutine it knows the latest waits; what
// lies before those is unknown. Waits have to come as an [Explainer] takes them.
type Slowest struct {
	most       int
	goroutines goroutines[latest]
	found      nodes
}

// latest is the latest waits of one goroutine: a ring.
type latest struct {
	waits [keptWaits]wait.Wait
	next  int
	n     int
}

// NewSlowest explains so many waits.
func NewSlowest(most int) *Slowest {
	return &Slowest{most: most, goroutines: newGoroutines[latest](keptGoroutines)}
}

// Wait takes in the next wait. Only if it is a candidate it can be among the
// slowest; the others are what explains them.
func (s *Slowest) Wait(w *wait.Wait, candidate bool) {
	if w.Kind != wait.KindWait || w.Goid == 0 {
		return
	}
	if candidate && s.most > 0 {
		if len(s.found) == s.most && s.found[0].Time < w.Total {
			heap.Pop(&s.found)
		}
		if len(s.found) < s.most {
			copied := *w
			heap.Push(&s.found, s.tree(&copied, w.Start, w.Start+int64(w.Total), maxDepth))
		}
	}
	s.goroutines.findOrAdd(w.Process, w.Goid).add(w)
}

// Trees are the slowest waits so far, the slowest first.
func (s *Slowest) Trees() []Node {
	return slices.SortedFunc(slices.Values(s.found), func(a, b Node) int {
		return cmp.Or(cmp.Compare(b.Time, a.Time), a.From.Compare(b.From))
	})
}

func (r *latest) add(w *wait.Wait) {
	r.waits[r.next] = *w
	r.next = (r.next + 1) % keptWaits
	r.n = min(r.n+1, keptWaits)
}

// at is the i-th wait, the oldest first.
func (r *latest) at(i int) *wait.Wait {
	return &r.waits[(r.next-r.n+i+keptWaits)%keptWaits]
}

// tree explains the stretch of a wait in [from, to).
func (s *Slowest) tree(w *wait.Wait, from, to int64, depth int) Node {
	n := Node{Goid: w.Goid, From: time.Unix(0, from), Time: time.Duration(to - from), Wait: w}
	at := w.Start
	part := func(d time.Duration, cause wait.Cause) {
		if d <= 0 {
			return
		}
		if clipped := min(at+int64(d), to) - max(at, from); clipped > 0 {
			n.Parts = append(n.Parts, timed(cause, time.Duration(clipped)))
		}
		at += int64(d)
	}
	switch {
	case w.Blocked > 0 && endedByAnother(w) && depth > 0:
		n.Waker = s.activity(w, max(from, at), min(to, at+int64(w.Blocked)), depth-1)
		at += int64(w.Blocked)
	case w.Blocked > 0:
		part(w.Blocked, wait.Cause{Kind: withoutWaker(w)})
	}
	part(w.Network, wait.Cause{Kind: wait.CauseNetwork, Peer: w.Peer})
	part(w.Netpoll, wait.Cause{Kind: wait.CauseNetpoll, Peer: w.Peer})
	part(w.Unsplit(), wait.Cause{Kind: wait.CauseUnknown})
	part(w.Sched, wait.Cause{Kind: wait.CauseSched})
	return n
}

// activity is what the waker of a wait did in [from, to).
func (s *Slowest) activity(w *wait.Wait, from, to int64, depth int) []Node {
	list := nodeList{goid: w.WakerGoid, from: from}
	if w.WakerStarted > 0 {
		s.untilStarted(&list, w, min(w.Start+int64(w.WakerStarted), to), depth)
	}
	since := list.from // the end of the last wait that is known
	if known := s.goroutines.find(w.Process, w.WakerGoid); known != nil {
		if seen := known.at(0).Start; w.WakerStarted < 0 || known.n == keptWaits {
			list.add(min(seen, to), wait.Cause{Kind: wait.CauseUnknown})
			since = seen
		}
		for i := range known.n {
			waited := known.at(i)
			end := waited.Start + int64(waited.Total)
			if end > list.from && waited.Start < to {
				list.ran(waited.Start, time.Duration(waited.Start-since), waited.Preempted, lineOf(waited))
				s.waited(&list, waited, min(end, to), depth)
			}
			since = end
		}
	}
	list.ran(to, time.Duration(to-since), w.WakerPreempted, w.WakerLine)
	return list.nodes
}

// untilStarted adds what was waited for before the waker of a wait ran first, as
// [Explainer] does.
func (s *Slowest) untilStarted(list *nodeList, w *wait.Wait, until int64, depth int) {
	switch w.WakerParentGoid {
	case 0:
		list.add(until, wait.Cause{Kind: wait.CauseUnknown})
		return
	case w.Goid:
		list.add(until, wait.Cause{Kind: wait.CauseSched})
		return
	}
	list.goid = w.WakerParentGoid
	if known := s.goroutines.find(w.Process, list.goid); known != nil {
		for i := range known.n {
			waited := known.at(i)
			if end := waited.Start + int64(waited.Total); end > list.from && waited.Start < until {
				list.ran(waited.Start, time.Duration(waited.Start-list.from), waited.Preempted, lineOf(waited))
				s.waited(list, waited, min(end, until), depth)
			}
		}
	}
	list.add(until, wait.Cause{Kind: wait.CauseRunning})
	list.goid = w.WakerGoid
}

// waited adds a wait of a goroutine, until a moment within it.
func (s *Slowest) waited(list *nodeList, w *wait.Wait, until int64, depth int) {
	if until > list.from {
		copied := *w
		list.nodes = append(list.nodes, s.tree(&copied, list.from, until, depth))
		list.from = until
	}
}

// nodeList is what a goroutine did, up to a moment.
type nodeList struct {
	nodes []Node
	goid  uint64
	from  int64 // of what comes next
}

// add adds a stretch until a moment. One that is over already adds nothing.
func (l *nodeList) add(until int64, parts ...wait.Cause) {
	d := time.Duration(until - l.from)
	if d <= 0 {
		return
	}
	if len(parts) == 1 {
		parts[0].Time = d
	}
	l.nodes = append(l.nodes, Node{Goid: l.goid, From: time.Unix(0, l.from), Time: d, Parts: parts})
	l.from = until
}

// ran adds what the goroutine did between two waits, or what of it is left.
func (l *nodeList) ran(until int64, length, runnable time.Duration, line string) {
	running := wait.Cause{Kind: wait.CauseRunning, Line: line}
	d := time.Duration(until - l.from)
	late := ran{length: length, runnable: runnable}.runnableIn(d)
	if late <= 0 {
		l.add(until, running)
		return
	}
	parts := []wait.Cause{timed(wait.Cause{Kind: wait.CauseSched}, late)}
	if late < d {
		parts = append(parts, timed(running, d-late))
	}
	l.add(until, parts...)
}

func timed(cause wait.Cause, d time.Duration) wait.Cause {
	cause.Time = d
	return cause
}

func lineOf(w *wait.Wait) string {
	if w.Stack == nil {
		return ""
	}
	return w.Stack.Line
}

// nodes is a heap with the shortest at its top.
type nodes []Node

func (n nodes) Len() int           { return len(n) }
func (n nodes) Less(i, j int) bool { return n[i].Time < n[j].Time }
func (n nodes) Swap(i, j int)      { n[i], n[j] = n[j], n[i] }
func (n *nodes) Push(x any)        { *n = append(*n, x.(Node)) }

func (n *nodes) Pop() any {
	last := (*n)[len(*n)-1]
	*n = (*n)[:len(*n)-1]
	return last
}
