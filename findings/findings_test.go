package findings_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/netpolltrace/netpolltrace/findings"
	"github.com/netpolltrace/netpolltrace/report"
	"github.com/netpolltrace/netpolltrace/wait"
)

const (
	ms   = time.Millisecond
	none = wait.Unmeasured
)

// session is what a collector is shown.
type session struct {
	t         *testing.T
	collector *findings.Collector
}

func newSession(t *testing.T) *session {
	t.Helper()
	c, err := findings.NewCollector()
	if err != nil {
		t.Fatal(err)
	}
	return &session{t, c}
}

// wait adds n waits like w.
func (s *session) wait(n int, w wait.Wait) {
	s.t.Helper()
	for range n {
		if err := s.collector.Wait(&w); err != nil {
			s.t.Fatal(err)
		}
	}
}

func (s *session) event(detail wait.Detail) {
	s.t.Helper()
	if err := s.collector.Event(&wait.Event{Kind: detail.EventKind(), Duration: time.Second, Detail: detail}); err != nil {
		s.t.Fatal(err)
	}
}

// expect compares with the findings, each as "id: its sentences".
func (s *session) expect(want ...string) {
	s.t.Helper()
	var got []string
	for _, f := range s.collector.Findings() {
		got = append(got, f.ID+": "+strings.Join(f.Sentences, " "))
		if f.Title == "" || f.Severity == "" || len(f.Numbers) == 0 {
			s.t.Errorf("incomplete: %+v", f)
		}
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		s.t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

var (
	cacheStack   = &wait.Stack{Func: "example.org/shop/cache.Get", Line: "/src/shop/cache/cart.go:88", Funcs: "main.main;cache.Get", Own: "main.main;cache.Get"}
	driverStack  = &wait.Stack{Func: "example.org/redis.read", Line: "/go/pkg/mod/example.org/redis@v1.2.3/conn.go:40", Funcs: "redis.read"}
	libraryStack = &wait.Stack{Func: "net/http.(*persistConn).readLoop", Line: "/go/src/net/http/transport.go:2218", Funcs: "readLoop"}
)

// read is an answered read of a dialed socket.
func read(peer string, stack *wait.Stack, network time.Duration) wait.Wait {
	return wait.Wait{
		Kind: wait.KindWait, Total: network + 50*time.Microsecond, Network: network, Netpoll: 30 * time.Microsecond, Blocked: none, Sched: 20 * time.Microsecond,
		Reason: wait.ReasonIO, Op: wait.OpRead, Outcome: wait.OutcomeReady, Role: wait.RoleDialed, Proto: "tcp", Peer: peer, Stack: stack, Count: 1,
	}
}

// answered is a select of the program's code, for a library that read the answer.
func answered(peer string, network time.Duration) wait.Wait {
	return wait.Wait{
		Kind: wait.KindWait, Total: network + 50*time.Microsecond, Network: none, Netpoll: none, Blocked: network + 30*time.Microsecond, Sched: 20 * time.Microsecond,
		Reason: "select", Stack: cacheStack, Count: 1,
		Explanation: &wait.Explanation{Causes: []wait.Cause{
			{Kind: wait.CauseNetwork, Peer: peer, Time: network}, {Kind: wait.CauseNetpoll, Peer: peer, Time: 30 * time.Microsecond},
		}},
	}
}

// written is a select until the library has written the request.
func written(peer string) wait.Wait {
	w := answered(peer, 0)
	w.Explanation.Causes = []wait.Cause{{Kind: wait.CauseRunning, Time: w.Blocked}}
	return w
}

// overTCP says of a wait what the socket knew.
func overTCP(w wait.Wait, rtt time.Duration, retransmits uint32) wait.Wait {
	w.HasTCP, w.MinRTT, w.Retransmits = true, uint32(rtt/time.Microsecond), retransmits
	return w
}

func TestSlowPeer(t *testing.T) {
	tests := []struct {
		name string
		fill func(*session)
		want []string
	}{
		{"one of three replicas", func(s *session) {
			s.wait(40, overTCP(read("redis-0:6379", cacheStack, 400*time.Microsecond), 300*time.Microsecond, 0))
			s.wait(40, overTCP(read("redis-1:6379", cacheStack, 400*time.Microsecond), 300*time.Microsecond, 0))
			s.wait(40, overTCP(read("redis-2:6379", cacheStack, 12*ms), 300*time.Microsecond, 0))
		}, []string{"slow_peer: redis-2:6379 answers in 12.0 ms (p50); redis-0:6379, redis-1:6379 in 0.4 ms. The wire is fine (min RTT 0.3 ms, 0 retransmits)."}},
		{"behind a bad wire", func(s *session) {
			s.wait(40, overTCP(read("a:1", cacheStack, ms), ms, 0))
			s.wait(40, overTCP(read("b:1", cacheStack, 50*ms), 48*ms, 1))
		}, []string{"slow_peer: b:1 answers in 50.0 ms (p50); a:1 in 1.0 ms. The wire is part of it (min RTT 48.0 ms, 40 retransmits)."}},
		{"not TCP", func(s *session) {
			s.wait(40, read("/run/a", cacheStack, ms))
			s.wait(40, read("/run/b", cacheStack, 50*ms))
		}, []string{"slow_peer: /run/b answers in 50.0 ms (p50); /run/a in 1.0 ms."}},
		{"read by a library for the program", func(s *session) {
			s.wait(40, answered("users:80", ms))
			s.wait(40, overTCP(read("prices:80", libraryStack, 50*ms), 300*time.Microsecond, 0))
			s.wait(40, answered("prices:80", 50*ms))
			s.wait(80, written("prices:80"))
		}, []string{"slow_peer: prices:80 answers in 50.0 ms (p50); users:80 in 1.0 ms. The wire is fine (min RTT 0.3 ms, 0 retransmits)."}},
		{"asked by another goroutine of the program", func(s *session) {
			s.wait(40, answered("users:80", ms))
			w := answered("prices:80", 50*ms)
			w.Explanation.Causes[0].Own = "/src/shop/prices.go:7"
			s.wait(40, w)
		}, nil},
		{"many siblings", func(s *session) {
			for i := range 6 {
				s.wait(40, read(fmt.Sprintf("n%d:1", i), cacheStack, ms))
			}
			s.wait(40, read("slow:1", cacheStack, 9*ms))
		}, []string{"slow_peer: slow:1 answers in 9.0 ms (p50); n0:1, n1:1, n2:1, 3 others in 1.0 ms."}},
		{"three peers of one driver", func(s *session) {
			s.wait(40, read("redis-0:6379", driverStack, ms))
			s.wait(40, read("redis-1:6379", driverStack, 2*ms))
			s.wait(40, read("redis-2:6379", driverStack, 50*ms))
		}, []string{"slow_peer: redis-2:6379 answers in 50.0 ms (p50); redis-0:6379, redis-1:6379 in 2.0 ms."}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newSession(t)
			test.fill(s)
			s.expect(test.want...)
		})
	}
}

// What looks like a slow peer and is none.
func TestNoSlowPeer(t *testing.T) {
	tests := []struct {
		name string
		fill func(*session)
	}{
		{"less than four times", func(s *session) {
			s.wait(40, read("a:1", cacheStack, 5*ms))
			s.wait(40, read("b:1", cacheStack, 19*ms))
		}},
		{"less than a millisecond", func(s *session) {
			s.wait(40, read("a:1", cacheStack, 100*time.Microsecond))
			s.wait(40, read("b:1", cacheStack, 900*time.Microsecond))
		}},
		{"too few answers", func(s *session) {
			s.wait(40, read("a:1", cacheStack, ms))
			s.wait(29, read("b:1", cacheStack, 50*ms))
		}},
		{"slow only now and then", func(s *session) {
			s.wait(40, read("a:1", cacheStack, ms))
			s.wait(40, read("b:1", cacheStack, ms))
			s.wait(30, read("b:1", cacheStack, 500*ms))
		}},
		{"asked something else", func(s *session) {
			other := *cacheStack
			other.Line = "/src/shop/cache/cart.go:99"
			s.wait(40, read("a:1", cacheStack, ms))
			s.wait(40, read("b:1", &other, 50*ms))
		}},
		{"two peers of one driver", func(s *session) {
			s.wait(40, read("cache:6379", driverStack, ms))
			s.wait(40, read("reports:6379", driverStack, 50*ms))
		}},
		{"three services behind one HTTP client", func(s *session) {
			s.wait(40, read("users:443", libraryStack, ms))
			s.wait(40, read("search:443", libraryStack, 20*ms))
			s.wait(40, read("reports:443", libraryStack, 90*ms))
		}},
		{"idle in the pool", func(s *session) {
			pooled := read("b:1", cacheStack, 50*ms)
			pooled.Idle = 49 * ms
			unused := pooled
			unused.Idle = 50 * ms
			s.wait(40, read("a:1", cacheStack, ms))
			s.wait(40, pooled)
			s.wait(40, unused)
		}},
		{"whether a reply was pending is not known", func(s *session) {
			unknown := read("b:1", cacheStack, 50*ms)
			unknown.Idle = none
			s.wait(40, read("a:1", cacheStack, ms))
			s.wait(40, unknown)
		}},
		{"the program itself was late", func(s *session) {
			late := read("b:1", cacheStack, ms)
			late.Netpoll, late.Total = 20*ms, 21*ms+20*time.Microsecond
			s.wait(40, read("a:1", cacheStack, ms))
			s.wait(40, late)
		}},
		{"clients are not peers", func(s *session) {
			for i, network := range []time.Duration{ms, 50 * ms} {
				w := read(fmt.Sprintf("c%d:1", i), cacheStack, network)
				w.Role = wait.RoleAccepted
				s.wait(40, w)
			}
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newSession(t)
			test.fill(s)
			s.expect()
		})
	}
}

// Equal servers differ by chance, and that is no finding.
func TestSlowPeerNoFalseAlarm(t *testing.T) {
	for seed := range uint64(50) {
		random := rand.New(rand.NewPCG(seed, 1))
		s := newSession(t)
		for i := range 5 {
			for range 30 + random.IntN(100) {
				s.wait(1, read(fmt.Sprintf("n%d:1", i), cacheStack, time.Duration(random.ExpFloat64()*float64(5*ms))))
			}
		}
		s.expect()
	}
}

// The table of peers does not grow without end, and goes on to work.
func TestSlowPeerIsBounded(t *testing.T) {
	s := newSession(t)
	s.wait(40, read("a:1", cacheStack, ms))
	s.wait(40, read("b:1", cacheStack, 50*ms))
	for i := range 20_000 {
		s.wait(1, read(fmt.Sprintf("10.0.%d.%d:1", i/256, i%256), cacheStack, ms))
	}
	s.expect("slow_peer: b:1 answers in 50.0 ms (p50); a:1 in 1.0 ms.")
}

func TestCPUThrottled(t *testing.T) {
	late := read("db:1", cacheStack, 10*ms)
	late.Total, late.Netpoll, late.Sched = 15*ms, 3*ms, 2*ms
	light := late
	light.Netpoll, light.Sched = none, none
	deadline := late
	deadline.Network, deadline.Netpoll, deadline.Blocked, deadline.Outcome = none, none, 13*ms, wait.OutcomeTimeout
	limit := &wait.CPU{GOMAXPROCS: 16, Quota: 2, Online: 32}
	tests := []struct {
		name string
		fill func(*session)
		want []string
	}{
		{"as in the documentation", func(s *session) {
			s.wait(100, late)
			s.wait(100, light)
			s.wait(100, deadline)
			s.event(limit)
			s.event(&wait.Throttling{Periods: 150, Throttled: 71, Time: 5000, Quota: 2, Cgroup: "/a/b"})
			s.event(&wait.Throttling{Periods: 150, Throttled: 70, Time: 5000, Quota: 2, Cgroup: "/a/b"})
		}, []string{"cpu_throttled: 141 of 300 periods. Limit 2 CPUs, GOMAXPROCS 16. 1.0 s: data was ready, the goroutine was not scheduled. Set GOMAXPROCS=2 or raise the limit."}},
		{"half a CPU", func(s *session) {
			s.event(&wait.CPU{GOMAXPROCS: 1, Quota: 0.5})
			s.event(&wait.Throttling{Periods: 100, Throttled: 90, Time: 1, Quota: 0.5})
		}, []string{"cpu_throttled: 90 of 100 periods. Limit 0.5 CPUs, GOMAXPROCS 1. Raise the limit."}},
		{"a limit that is not known", func(s *session) {
			s.event(&wait.Throttling{Periods: 100, Throttled: 90})
		}, []string{"cpu_throttled: 90 of 100 periods. Raise the limit."}},
		{"the worst of two cgroups", func(s *session) {
			s.event(&wait.CPU{GOMAXPROCS: 4})
			s.event(&wait.Throttling{Periods: 100, Throttled: 50, Time: 10, Quota: 3, Cgroup: "/a"})
			s.event(&wait.Throttling{Periods: 100, Throttled: 40, Time: 90, Quota: 1, Cgroup: "/a/b"})
		}, []string{"cpu_throttled: 40 of 100 periods. Limit 1 CPU, GOMAXPROCS 4. Set GOMAXPROCS=1 or raise the limit."}},
		{"hardly", func(s *session) {
			s.event(&wait.Throttling{Periods: 300, Throttled: 14})
		}, nil},
		{"for too short", func(s *session) {
			s.event(&wait.Throttling{Periods: 9, Throttled: 9})
		}, nil},
		{"figures that cannot be", func(s *session) {
			const absurd = 1 << 60
			for range 20 { // their sums would not fit
				s.event(&wait.Throttling{Periods: absurd, Throttled: absurd})
				s.event(&wait.Throttling{Periods: 100, Throttled: 90, Time: absurd})
				s.event(&wait.Throttling{Periods: 100, Throttled: 90, Time: -1})
			}
		}, nil},
		{"a limit that cannot be", func(s *session) {
			s.event(&wait.CPU{GOMAXPROCS: -1, Quota: -1})
			s.event(&wait.Throttling{Periods: 100, Throttled: 90, Quota: -2})
		}, []string{"cpu_throttled: 90 of 100 periods. Raise the limit."}},
		{"a third of a CPU", func(s *session) {
			s.event(&wait.Throttling{Periods: 100, Throttled: 90, Quota: 1.0 / 3})
		}, []string{"cpu_throttled: 90 of 100 periods. Limit 0.333333 CPUs. Raise the limit."}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newSession(t)
			test.fill(s)
			s.expect(test.want...)
		})
	}
}

// Each of two processes in one cgroup tells of its periods.
func TestACgroupOfTwoProcessesIsCountedOnce(t *testing.T) {
	s := newSession(t)
	for pid := range int32(2) {
		process := &wait.Process{Name: "api", PID: 1 + pid}
		for _, detail := range []wait.Detail{&wait.CPU{GOMAXPROCS: 4 + int(pid)}, &wait.Throttling{Cgroup: "/a", Periods: 100, Throttled: 50, Quota: 2}} {
			e := wait.Event{Kind: detail.EventKind(), Duration: time.Second, Process: process, Detail: detail}
			if err := s.collector.Event(&e); err != nil {
				t.Fatal(err)
			}
		}
	}
	s.expect("cpu_throttled: 50 of 100 periods. Limit 2 CPUs, GOMAXPROCS 4. Set GOMAXPROCS=2 or raise the limit.")
}

func TestBusyProcessors(t *testing.T) {
	late := read("stock:1", cacheStack, 400*time.Microsecond)
	late.Netpoll, late.Sched, late.Total = 4*ms, ms, 5400*time.Microsecond
	const want = "busy_processors: cache.Get cart.go:88: data was ready after 0.4 ms, the goroutine ran 5.0 ms later (p50). 0.2 s: data was ready, the goroutine was not scheduled."
	t.Run("late", func(t *testing.T) {
		s := newSession(t)
		s.wait(40, late)
		s.event(&wait.CPU{GOMAXPROCS: 2})
		s.expect(strings.Replace(want, "0.2 s", "200.0 ms", 1) + " All 2 processors (GOMAXPROCS) were busy: look for long computations in a CPU profile, or raise it.")
	})
	t.Run("at two lines", func(t *testing.T) {
		s := newSession(t)
		other := late
		other.Stack = libraryStack
		s.wait(50, late)
		s.wait(40, other)
		s.expect("busy_processors: cache.Get cart.go:88: data was ready after 0.4 ms, the goroutine ran 5.0 ms later (p50). 1 more line is affected. " +
			"450.0 ms: data was ready, the goroutine was not scheduled. Processors were busy: look for long computations in a CPU profile, or raise GOMAXPROCS.")
	})
	t.Run("a request that had to wait", func(t *testing.T) {
		s := newSession(t)
		served := late
		served.Role, served.Network, served.Idle, served.Total = wait.RoleAccepted, 9*time.Second, 9*time.Second, 9*time.Second+5*ms
		s.wait(40, served)
		s.expect("busy_processors: cache.Get cart.go:88: data came, the goroutine ran 5.0 ms later (p50). " +
			"200.0 ms: data was ready, the goroutine was not scheduled. Processors were busy: look for long computations in a CPU profile, or raise GOMAXPROCS.")
	})
	t.Run("a limit explains it better", func(t *testing.T) {
		s := newSession(t)
		s.wait(40, late)
		s.event(&wait.Throttling{Periods: 100, Throttled: 50})
		s.expect("cpu_throttled: 50 of 100 periods. 200.0 ms: data was ready, the goroutine was not scheduled. Raise the limit.")
	})
	t.Run("a small part of what was awaited", func(t *testing.T) {
		s := newSession(t)
		slow := late
		slow.Network, slow.Total = 95*ms, 100*ms
		s.wait(40, slow)
		s.expect()
	})
	t.Run("too few", func(t *testing.T) {
		s := newSession(t)
		s.wait(29, late)
		s.expect()
	})
}

// There are three answers: found, nothing, and too little to tell.
func TestAnswers(t *testing.T) {
	s := newSession(t)
	for _, a := range s.collector.Answers() {
		if a.NotEnough == "" || len(a.Findings) > 0 {
			t.Errorf("of nothing: %+v", a)
		}
	}
	s.wait(40, read("a:1", cacheStack, ms))
	s.wait(40, read("b:1", cacheStack, ms))
	s.event(&wait.Throttling{Periods: 100, Throttled: 0})
	for _, a := range s.collector.Answers() {
		if a.NotEnough != "" || len(a.Findings) > 0 {
			t.Errorf("of a healthy program: %+v", a)
		}
	}
}

func BenchmarkCollector(b *testing.B) {
	c, err := findings.NewCollector()
	if err != nil {
		b.Fatal(err)
	}
	var waits []wait.Wait
	for i := range 64 {
		waits = append(waits, read(fmt.Sprintf("redis-%d:6379", i%8), cacheStack, time.Duration(i)*ms))
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if err := c.Wait(&waits[i%len(waits)]); err != nil {
			b.Fatal(err)
		}
		i++
	}
}

var _ wait.Sink = (*findings.Collector)(nil)
var _ wait.Sink = (*report.Builder)(nil)
