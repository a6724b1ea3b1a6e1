package explain_test

import (
	"cmp"
	"fmt"
	"testing"
	"time"

	"github.com/netpolltrace/netpolltrace/explain"
	"github.com/netpolltrace/netpolltrace/wait"
)

// owned is a wait at a line of the program's own code.
func owned(w *wait.Wait, line string) *wait.Wait {
	w.Stack = &wait.Stack{Line: line, Func: "main.f", Own: "main.f"}
	return w
}

// served is a read of an accepted connection, until the next request came.
func served(goid uint64, from time.Duration) *wait.Wait {
	w := network(goid, from, ms, 0, 0, "10.0.0.9:40000")
	w.Role, w.Idle = wait.RoleAccepted, ms
	return w
}

// accept is a wait of a server's loop for the next connection.
func accept(goid uint64) *wait.Wait {
	w := network(goid, 0, ms, 0, 0, "")
	w.Op, w.Role, w.Idle = wait.OpAccept, wait.RoleListening, ms
	w.Stack = &wait.Stack{Funcs: "main.main;net/http.(*Server).Serve;net.(*TCPListener).Accept"}
	return w
}

func with(w *wait.Wait, change func(*wait.Wait)) *wait.Wait {
	change(w)
	return w
}

func TestWhoIsKeptWaiting(t *testing.T) {
	childOf := func(parent uint64) func(*wait.Wait) { return func(w *wait.Wait) { w.ParentGoid = parent } }
	startedWith := func(function string) func(*wait.Wait) { return func(w *wait.Wait) { w.StartFunc = function } }
	for name, test := range map[string]struct {
		waits []*wait.Wait
		want  string // of the last one
	}{
		"nobody knows": {[]*wait.Wait{owned(network(7, 0, ms, 0, 0, "db:5432"), "main.go:1")}, "background"},
		"it reads an accepted connection": {[]*wait.Wait{
			served(10, 0), owned(network(10, 2*ms, ms, 0, 0, "db:5432"), "main.go:1"),
		}, "request"},
		"who accepts connections started it": {[]*wait.Wait{
			accept(3), with(network(10, ms, ms, 0, 0, "db:5432"), startedWith("net/http.(*Server).Serve.gowrap3")),
		}, "request"},
		"the same, by Go 1.18": {[]*wait.Wait{
			accept(3), with(network(10, ms, ms, 0, 0, "db:5432"), startedWith("net/http.(*Server).Serve·dwrap·87")),
		}, "request"},
		"who only calls a server started it": {[]*wait.Wait{
			accept(3), with(network(10, ms, ms, 0, 0, "db:5432"), startedWith("main.main.func1")),
		}, "background"},
		"a goroutine that serves a request started it": {[]*wait.Wait{
			served(10, 0), with(owned(network(11, 2*ms, ms, 0, 0, "db:5432"), "main.go:1"), childOf(10)),
		}, "request"},
		"a library's own goroutine inherits nothing": {[]*wait.Wait{
			served(10, 0), with(network(11, 2*ms, ms, 0, 0, "db:5432"), childOf(10)),
		}, "background"},
		"main started it": {[]*wait.Wait{
			owned(network(1, 0, ms, 0, 0, "db:5432"), "main.go:1"),
			with(owned(network(11, 2*ms, ms, 0, 0, "db:5432"), "main.go:1"), childOf(1)),
		}, "background"},
		"it ended a wait of one that serves a request": {[]*wait.Wait{
			served(10, 0), blocked(10, 2*ms, 5*ms, 11), network(11, 6*ms, ms, 0, 0, "db:5432"),
		}, "request"},
		"it ended a wait that is still open": {[]*wait.Wait{
			served(10, 0), with(blocked(10, 2*ms, 5*ms, 11), func(w *wait.Wait) { w.Kind = wait.KindOpen }),
			network(11, 6*ms, ms, 0, 0, "db:5432"),
		}, "background"},
		"main": {[]*wait.Wait{owned(network(1, 0, ms, 0, 0, "db:5432"), "main.go:1")}, "main"},
		"a test": {[]*wait.Wait{
			with(network(7, 0, ms, 0, 0, "db:5432"), startedWith("testing.tRunner")),
		}, "main"},
		"a test by the compiler's wrapper": {[]*wait.Wait{
			with(network(7, 0, ms, 0, 0, "db:5432"), startedWith("testing.(*T).Run.gowrap1")),
		}, "main"},
		"a test by the wrapper of older compilers": {[]*wait.Wait{
			with(network(7, 0, ms, 0, 0, "db:5432"), startedWith("testing.(*T).Run·dwrap·21")),
		}, "main"},
		"a benchmark": {[]*wait.Wait{
			with(network(7, 0, ms, 0, 0, "db:5432"), startedWith("testing.(*B).run1.func1")),
		}, "main"},
		"what a test starts": {[]*wait.Wait{
			with(network(7, 0, ms, 0, 0, "db:5432"), startedWith("tb.TestServe.func1")),
		}, "background"},
		"it ended a wait of main": {[]*wait.Wait{
			blocked(1, 0, ms, 11), network(11, 6*ms, ms, 0, 0, "db:5432"),
		}, "main"},
	} {
		t.Run(name, func(t *testing.T) {
			e := explain.New()
			var got wait.For
			for _, w := range test.waits {
				got = e.Wait(w).For
			}
			if string(got) != test.want {
				t.Errorf("for %s, want %s", got, test.want)
			}
		})
	}
}

func TestWhatNobodyAwaits(t *testing.T) {
	ticks := with(owned(blocked(7, 0, ms, 0), "main.go:1"), func(w *wait.Wait) { w.Reason = "select" })
	for name, test := range map[string]struct {
		waits []*wait.Wait
		want  wait.IdleKind // of the last one
	}{
		"a worker gets work from who serves a request": {[]*wait.Wait{served(10, 0), blocked(11, 0, 5*ms, 10)}, wait.IdleWork},
		"a worker that has answered before": {[]*wait.Wait{
			served(10, 0), blocked(10, 2*ms, 5*ms, 11), blocked(11, 5*ms, 9*ms, 10),
		}, wait.IdleWork},
		"who serves a request waits for a worker": {[]*wait.Wait{served(10, 0), blocked(10, 2*ms, 5*ms, 11)}, ""},
		"a lock": {[]*wait.Wait{
			served(10, 0), with(blocked(11, 0, 5*ms, 10), func(w *wait.Wait) { w.Reason = "sync.Mutex.Lock" }),
		}, ""},
		"a loop in the background": {[]*wait.Wait{ticks}, wait.IdleTimer},
		"main sleeps": {[]*wait.Wait{
			with(owned(blocked(1, 0, ms, 0), "main.go:1"), func(w *wait.Wait) { w.Reason = wait.ReasonSleep }),
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			e := explain.New()
			var got wait.IdleKind
			for _, w := range test.waits {
				got = e.Wait(w).Idle
			}
			if got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

// What a wait is filed under, and how the causes of a chain of goroutines are
// reached: those behind the program's own code name its line.
func TestWhatAWaitWasFor(t *testing.T) {
	lock := func(w *wait.Wait) { w.Reason = "sync.Mutex.Lock" }
	for name, test := range map[string]struct {
		waits      []*wait.Wait
		peer, want string
	}{
		"a peer, through a library's reader": {[]*wait.Wait{
			network(2, 0, 20*ms, 0, 0, "shipping:80"), owned(blocked(1, 0, 20*ms, 2), "api.go:32"),
		}, "shipping:80", "network of shipping:80"},
		"a peer, through a goroutine of the program": {[]*wait.Wait{
			owned(network(2, 0, 20*ms, 0, 0, "shipping:80"), "worker.go:7"), owned(blocked(1, 0, 20*ms, 2), "api.go:32"),
		}, "shipping:80", "network of shipping:80 through worker.go:7"},
		"the nearest line of a chain": {[]*wait.Wait{
			network(3, 0, 20*ms, 0, 0, "shipping:80"), owned(blocked(2, 0, 20*ms, 3), "worker.go:7"),
			owned(blocked(1, 0, 20*ms, 2), "api.go:32"),
		}, "shipping:80", "network of shipping:80 through worker.go:7"},
		"a lock whose holder waits for a peer": {[]*wait.Wait{
			owned(network(2, 0, 20*ms, 0, 0, "redis:6379"), "ledger.go:77"), with(owned(blocked(1, 0, 20*ms, 2), "ledger.go:58"), lock),
		}, "lock", "network of redis:6379 through ledger.go:77"},
		"a timer":               {[]*wait.Wait{owned(blocked(1, 0, 20*ms, 0), "main.go:1")}, "timer", "timer"},
		"nobody knows who":      {[]*wait.Wait{owned(blocked(1, 0, 20*ms, 9), "main.go:1")}, "channel", "running"},
		"it has its own socket": {[]*wait.Wait{owned(network(1, 0, ms, 0, 0, "db:5432"), "main.go:1")}, "db:5432", ""},
	} {
		t.Run(name, func(t *testing.T) {
			e := explain.New()
			var x *wait.Explanation
			for _, w := range test.waits {
				x = e.Wait(w)
			}
			got := ""
			for _, c := range x.Causes {
				got += c.String()
				if c.Own != "" {
					got += " through " + c.Own
				}
			}
			name := cmp.Or(x.Peer, x.Thing.String())
			if name != test.peer || got != test.want {
				t.Errorf("filed under %q for %q, want %q for %q", name, got, test.peer, test.want)
			}
		})
	}
}

// Each wait of a library's goroutine is counted once with those that it was for,
// however many it served.
func TestWaitsOfLibrariesThatServed(t *testing.T) {
	e := explain.New()
	var got []string
	for _, w := range []*wait.Wait{
		network(2, 0, 20*ms, 0, 0, "db:5432"),
		network(2, 20*ms, 10*ms, 0, 0, "db:5432"),
		owned(blocked(1, 0, 30*ms, 2), "api.go:1"),
		owned(blocked(3, 0, 30*ms, 2), "api.go:1"),
		network(2, 30*ms, 5*ms, 0, 0, "db:5432"),
		owned(blocked(1, 31*ms, 35*ms, 2), "api.go:1"),
	} {
		x := e.Wait(w)
		got = append(got, fmt.Sprint(x.Library, x.Served.Waits, x.Served.Time))
	}
	want := "[true 0 0s true 0 0s false 2 30ms false 0 0s true 0 0s false 1 5ms]"
	if fmt.Sprint(got) != want {
		t.Errorf("got  %v\nwant %s", got, want)
	}
}
