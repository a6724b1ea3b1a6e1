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
	case w.Blocked > 0 && w.WakerGoid != 0 && w.WakerGoid != w.Goid && depth > 0:
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
	var list []Node
	add := func(until int64, cause wait.Cause) {
		if until > from {
			d := time.Duration(until - from)
			list = append(list, Node{Goid: w.WakerGoid, From: time.Unix(0, from), Time: d, Parts: []wait.Cause{timed(cause, d)}})
			from = until
		}
	}
	if known := s.goroutines.find(w.Process, w.WakerGoid); known != nil {
		for i := range known.n {
			waited := known.at(i)
			end := waited.Start + int64(waited.Total)
			if end <= from || waited.Start >= to {
				continue
			}
			if i == 0 {
				add(min(waited.Start, to), wait.Cause{Kind: wait.CauseUnknown})
			}
			add(min(waited.Start, to), wait.Cause{Kind: wait.CauseRunning, Line: lineOf(waited)})
			copied := *waited
			if until := min(end, to); until > from {
				list = append(list, s.tree(&copied, from, until, depth))
				from = until
			}
		}
	}
	add(to, wait.Cause{Kind: wait.CauseRunning, Line: w.WakerLine})
	return list
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
