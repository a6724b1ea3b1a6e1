package explain_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/netpolltrace/netpolltrace/explain"
	"github.com/netpolltrace/netpolltrace/wait"
)

// outline writes a tree: a line for each stretch, with what it was for.
func outline(n explain.Node, indent string) string {
	var parts []string
	for _, p := range n.Parts {
		parts = append(parts, fmt.Sprintf("%s %v", p, p.Time))
	}
	what := "ran"
	if n.Wait != nil {
		what = n.Wait.Reason
	}
	text := fmt.Sprintf("%sgoroutine %d, %v, %s: %s\n", indent, n.Goid, n.Time, what, strings.Join(parts, ", "))
	for _, waker := range n.Waker {
		text += outline(waker, indent+"  ")
	}
	return text
}

func total(n explain.Node) (sum time.Duration) {
	for _, p := range n.Parts {
		sum += p.Time
	}
	for _, waker := range n.Waker {
		sum += total(waker)
	}
	return sum
}

func TestTree(t *testing.T) {
	s := explain.NewSlowest(1)
	for _, w := range []*wait.Wait{
		network(3, 0, 30*ms, 2*ms, ms, "db:5432"),
		blocked(2, 5*ms, 34*ms, 3),
		network(2, 36*ms, 4*ms, 0, 0, "cache:6379"),
		blocked(1, 10*ms, 42*ms, 2),
	} {
		s.Wait(w, w.Goid == 1)
	}
	trees := s.Trees()
	if len(trees) != 1 {
		t.Fatalf("%d trees", len(trees))
	}
	const want = `goroutine 1, 32ms, chan receive: 
  goroutine 2, 24ms, chan receive: 
    goroutine 3, 23ms, IO wait: network of db:5432 20ms, netpoll of db:5432 2ms, sched 1ms
    goroutine 3, 1ms, ran: running 1ms
  goroutine 2, 2ms, ran: running at conn.go:2 2ms
  goroutine 2, 4ms, IO wait: network of cache:6379 4ms
  goroutine 2, 2ms, ran: running 2ms
`
	if got := outline(trees[0], ""); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// What the waker did besides its waits: before it was started, while it was runnable
// and while it ran.
func TestTreeOfAWakerThatWasStarted(t *testing.T) {
	s := explain.NewSlowest(1)
	for _, w := range []*wait.Wait{
		network(3, 0, 4*ms, 0, 0, "db:5432"),
		with(network(2, 10*ms, 8*ms, 0, 0, "cache:6379"), func(w *wait.Wait) { w.Preempted = 3 * ms }),
		with(blocked(1, 2*ms, 30*ms, 2), func(w *wait.Wait) {
			w.WakerStarted, w.WakerParentGoid, w.WakerPreempted, w.WakerLine = 4*ms, 3, 12*ms, "main.go:9"
		}),
	} {
		s.Wait(w, w.Goid == 1)
	}
	const want = `goroutine 1, 28ms, chan receive: 
  goroutine 3, 2ms, IO wait: network of db:5432 2ms
  goroutine 3, 2ms, ran: running 2ms
  goroutine 2, 4ms, ran: sched 3ms, running at conn.go:2 1ms
  goroutine 2, 8ms, IO wait: network of cache:6379 8ms
  goroutine 2, 12ms, ran: sched 12ms
`
	if got := outline(s.Trees()[0], ""); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// The slowest are found, in their order, and each tree adds up to its wait.
func TestSlowest(t *testing.T) {
	s := explain.NewSlowest(3)
	for i := range time.Duration(1000) {
		length := i * 7919 % 1000 * ms
		s.Wait(network(2, i*1000*ms, length/2, 0, 0, "db:5432"), false)
		s.Wait(blocked(1, i*1000*ms, i*1000*ms+length, 2), true)
	}
	var got []time.Duration
	for _, tree := range s.Trees() {
		got = append(got, tree.Time)
		if sum := total(tree); sum != tree.Time {
			t.Errorf("the parts of %v add up to %v", tree.Time, sum)
		}
	}
	if fmt.Sprint(got) != "[999ms 998ms 997ms]" {
		t.Errorf("the slowest are %v", got)
	}
}

// Two that wake each other over and over do not make an endless tree.
func TestTreesEnd(t *testing.T) {
	s := explain.NewSlowest(1)
	for i := range time.Duration(100) {
		s.Wait(blocked(1+uint64(i%2), 0, (i+1)*ms, 2-uint64(i%2)), true)
	}
	if tree := s.Trees()[0]; total(tree) != tree.Time {
		t.Errorf("the parts of %v add up to %v", tree.Time, total(tree))
	}
}
