package render_test

import (
	"strings"
	"testing"
	"time"

	"github.com/netpolltrace/netpolltrace/explain"
	"github.com/netpolltrace/netpolltrace/report"
	"github.com/netpolltrace/netpolltrace/wait"
)

const (
	ms   = time.Millisecond
	none = wait.Unmeasured
)

// began is when the recordings of these tests began.
var began = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// checkoutAPI is the process that waits.
var checkoutAPI = &wait.Process{Host: "node-1", Name: "checkout-api", PID: 4171}

// recording is a small recording made by hand.
type recording struct {
	meta   wait.Meta
	waits  []wait.Wait
	events []wait.Event
	cut    bool // it has no end
}

func newRecording(mode wait.Mode) *recording {
	return &recording{meta: wait.Meta{
		Targets: []wait.Target{{Exe: "/app/checkout-api", PID: 4171, Go: "go1.24.6", BuildID: "abc/def", Mode: mode}},
		Host:    "node-1", Kernel: "6.18.0", Arch: "amd64", Tool: "v0.1.0", Started: began,
	}}
}

// add adds n waits like w.
func (r *recording) add(n int, w wait.Wait) {
	if w.Kind == "" {
		w.Kind = wait.KindWait
	}
	w.Start = began.UnixNano() + int64(len(r.waits))*int64(ms)
	w.Count = max(w.Count, 1)
	w.Process = checkoutAPI
	for range n {
		r.waits = append(r.waits, w)
	}
}

func (r *recording) event(kind wait.EventKind, at, duration time.Duration, count uint64, note string) {
	r.events = append(r.events, wait.Event{Kind: kind, Start: began.UnixNano() + int64(at), Duration: duration, Count: count, Note: note})
}

func (r *recording) end() {
	r.event(wait.EventOverhead, 0, 39*ms, 1000, "")
	r.event(wait.EventCPU, 0, 3*time.Second, 0, "")
	r.event(wait.EventEnd, 0, 30*time.Second, 0, "")
}

func (r *recording) build(t *testing.T, options report.Options) *report.Report {
	t.Helper()
	return summedUp(t, options, r)
}

// summedUp is the report of several recordings.
func summedUp(t *testing.T, options report.Options, recordings ...*recording) *report.Report {
	t.Helper()
	if !options.FDs { // as the commands do: snapshots are not explained
		options.Explain = func(next wait.Sink) report.Explainer { return explain.NewStage(next) }
	}
	b, err := report.NewBuilder(options)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range recordings {
		if err := r.replay(b); err != nil {
			t.Fatal(err)
		}
	}
	built, err := b.Report()
	if err != nil {
		t.Fatal(err)
	}
	return built
}

func (r *recording) replay(b *report.Builder) error {
	if err := b.Begin(&r.meta); err != nil {
		return err
	}
	for i := range r.waits {
		if err := b.Wait(&r.waits[i]); err != nil {
			return err
		}
	}
	for i := range r.events {
		if err := b.Event(&r.events[i]); err != nil {
			return err
		}
	}
	return nil
}

// read is a read of a dialed socket that began when a request had been sent.
func read(peer string, stack *wait.Stack, network, netpoll, sched time.Duration) wait.Wait {
	return wait.Wait{
		Total: network + netpoll + sched, Network: network, Netpoll: netpoll, Blocked: none, Sched: sched,
		Goid: 17, Reason: wait.ReasonIO, Op: wait.OpRead, Outcome: wait.OutcomeReady, FD: 9, Proto: "tcp",
		Role: wait.RoleDialed, Local: "10.0.0.7:41234", Peer: peer, P: 1, TID: 4172, StartFunc: "main.handle", Stack: stack,
	}
}

// served is a read of an accepted socket: idle until the next request came.
func served(network, netpoll, sched time.Duration) wait.Wait {
	w := read("10.9.8.7:50001", serveStack, network, netpoll, sched)
	w.Role, w.Local, w.Idle, w.Goid = wait.RoleAccepted, "10.0.0.7:8080", network, 18
	return w
}

// blocked is a wait that the netpoller does not end.
func blocked(reason string, stack *wait.Stack, before, sched time.Duration) wait.Wait {
	return wait.Wait{
		Total: before + sched, Network: none, Netpoll: none, Blocked: before, Sched: sched, Idle: none,
		Goid: 40, Reason: reason, Outcome: wait.OutcomeReady, FD: -1, P: 1, TID: 4172, StartFunc: "main.worker", Stack: stack,
	}
}

// open makes an unfinished wait of one that was.
func open(w wait.Wait, age time.Duration) wait.Wait {
	idle := w.Idle > 0
	w.Kind, w.Total, w.Outcome = wait.KindOpen, age, ""
	w.Network, w.Netpoll, w.Blocked, w.Sched = none, none, none, none
	if idle {
		w.Idle = age
	}
	return w
}

func stackOf(fn, line string) *wait.Stack {
	return &wait.Stack{
		Funcs: "main.main;" + fn + ";net.(*conn).Read",
		Lines: "/app/main.go:10;" + line + ";/go/src/net/net.go:196",
		Func:  fn, Line: line, Own: "main.main;" + fn,
	}
}

// libraryStack is one without a function of the program.
func libraryStack(fn, line string) *wait.Stack {
	return &wait.Stack{Funcs: fn + ";net.(*conn).Read", Lines: line + ";/go/src/net/net.go:196", Func: fn, Line: line}
}

var (
	cacheStack = stackOf("example.org/checkout/cache.Get", "/app/cache/cart.go:88")
	orderStack = stackOf("example.org/checkout/orders.(*Store).Load", "/app/orders/store.go:120")
	serveStack = libraryStack("net/http.(*conn).serve", "/go/src/net/http/server.go:2100")
	queueStack = stackOf("main.worker", "/app/worker.go:31")
)

// checkout is a service with one slow redis, numbers that are easy to add and
// some of everything. Awaited of the network:
//
//	redis-2    100 waits of 12 ms (11 + 0.6 + 0.4)             1.2 s
//	postgres    50 waits of 10 ms (6 + 3 + 1), 1 of 300 ms     0.8 s
//	redis-0    100 waits of 0.4 ms (0.3 + 0.06 + 0.04)        40 ms
//	clients     40 waits of 2 ms (0 + 1.5 + 0.5) after idling 80 ms
func checkout() *recording {
	r := newRecording("io")
	r.add(100, read("redis-2:6379", cacheStack, 11*ms, 600*time.Microsecond, 400*time.Microsecond))
	r.add(100, read("redis-0:6379", cacheStack, 300*time.Microsecond, 60*time.Microsecond, 40*time.Microsecond))
	r.add(50, read("postgres:5432", orderStack, 6*ms, 3*ms, ms))
	timeout := read("postgres:5432", orderStack, none, none, ms)
	timeout.Total, timeout.Blocked, timeout.Outcome, timeout.Goid = 300*ms, 299*ms, wait.OutcomeTimeout, 19
	r.add(1, timeout)
	r.add(40, served(5*time.Second, 1500*time.Microsecond, 500*time.Microsecond))

	interrupted := served(none, none, ms)
	interrupted.Total, interrupted.Blocked, interrupted.Idle, interrupted.Outcome = 11*ms, 10*ms, 10*ms, wait.OutcomeInterrupted
	r.add(20, interrupted)
	pooled := read("redis-2:6379", cacheStack, none, none, none)
	pooled.Idle = time.Second
	r.add(4, open(pooled, 20*time.Second))
	accept := served(time.Second, 0, 0)
	accept.Op, accept.Role, accept.Peer = wait.OpAccept, wait.RoleListening, ""
	r.add(3, open(accept, 30*time.Second))
	r.add(2, open(read("redis-2:6379", cacheStack, 0, 0, 0), 9100*ms))
	return r
}

func checkoutFindings() []report.Finding {
	return []report.Finding{{
		ID: "slow_peer", Title: "Slow peer", Severity: report.SeverityWarning, Subject: "redis-2:6379",
		Sentences: []string{
			"redis-2:6379 answers in 11.0 ms (p50); redis-0:6379 in 0.3 ms.",
			"The wire is fine (RTT 0.3 ms, 0 retransmits).",
		},
		Numbers: map[string]float64{"p50_ns": 11e6, "siblings_p50_ns": 3e5},
	}, {
		ID: "cpu_throttled", Title: "CPU throttled", Severity: report.SeverityWarning,
		Sentences: []string{
			"141 of 300 periods. Limit 2 CPUs, GOMAXPROCS 16.",
			"0.4 s: data was ready, the goroutine was not scheduled. Set GOMAXPROCS=2 or raise the limit.",
		},
		Numbers: map[string]float64{"periods": 300, "throttled": 141},
	}}
}

// allMode also has waits that the netpoller does not end.
func allMode() *recording {
	r := newRecording("all")
	r.add(100, read("postgres:5432", orderStack, 6*ms, 3*ms, ms))
	r.add(50, blocked("chan receive", queueStack, 99*ms, ms))
	r.add(10, blocked("sync.Mutex.Lock", orderStack, 19*ms, ms))
	r.add(2, open(blocked("select", queueStack, 0, 0), 25*time.Second))
	return r
}

// service is handlers that ask a peer through net/http at a line with two callers,
// take a lock that is held during I/O, and give jobs to a worker. Each of 20 rounds:
//
//	the handler   21 ms for shipping, 20 + 0.6 + 0.4 of its reader's, 3 of 4 by Order
//	              9 ms for the lock, whose holder waits 8 ms for redis
//	              6 ms for the worker, which waits 5 ms for inventory
//	the worker    56 ms for its next job, which nobody awaits
//	the exporter  30 ms for metrics, in the background, and 70 ms for its timer
//	a library     10 ms for nobody
func service() *recording {
	r := newRecording("all")
	stack := func(line, own, via string) *wait.Stack {
		s := stackOf("example.org/checkout/"+own, "/app/"+line)
		s.Via = via
		return s
	}
	order, quote := stack("api/api.go:32", "api.fetch", "net/http.(*persistConn).roundTrip"), stack("api/api.go:32", "api.fetch", "net/http.(*persistConn).roundTrip")
	order.Own, quote.Own = "example.org/checkout/api.Order;example.org/checkout/api.fetch", "example.org/checkout/api.Quote;example.org/checkout/api.fetch"
	enter, held := stack("ledger/ledger.go:58", "ledger.Enter", ""), stack("ledger/ledger.go:77", "ledger.Sync", "")
	submit, work := stack("jobs/jobs.go:12", "jobs.Submit", ""), stack("jobs/jobs.go:40", "jobs.work", "")
	export, tick := stack("metrics/metrics.go:20", "metrics.push", ""), stack("metrics/metrics.go:15", "metrics.loop", "")
	readLoop, keepAlive := libraryStack("net/http.(*persistConn).readLoop", "/go/src/net/http/transport.go:2330"), libraryStack("example.net/rpc.(*client).reader", "/rpc/client.go:400")

	at := func(goid, waker uint64, start time.Duration, w wait.Wait) {
		w.Goid, w.WakerGoid, w.StartFunc = goid, waker, ""
		r.add(1, w)
		r.waits[len(r.waits)-1].Start = began.UnixNano() + int64(start)
	}
	const handler, reader, holder, worker, exporter, library = 10, 20, 11, 30, 40, 50
	for i := range time.Duration(20) {
		begin := i * 100 * ms
		caller := order
		if i%4 == 3 {
			caller = quote
		}
		at(handler, 0, begin, served(10*ms, 0, 0))
		at(holder, 0, begin, served(10*ms, 0, 0))
		begin += 10 * ms
		at(reader, 0, begin, read("shipping:8082", readLoop, 20*ms, 600*time.Microsecond, 300*time.Microsecond))
		at(handler, reader, begin, blocked("select", caller, 20900*time.Microsecond, 100*time.Microsecond))
		begin += 21 * ms
		at(holder, 0, begin, read("redis-2:6379", held, 8*ms, 0, 0))
		at(handler, holder, begin, blocked("sync.Mutex.Lock", enter, 9*ms, 0))
		begin += 9 * ms
		at(worker, 0, begin, read("inventory:8083", work, 5*ms, 0, 0))
		at(handler, worker, begin, blocked("chan receive", submit, 6*ms, 0))
		at(worker, handler, begin+6*ms, blocked("chan receive", work, 56*ms, 0))
		at(exporter, 0, begin, read("metrics:9100", export, 30*ms, 0, 0))
		at(exporter, 0, begin+30*ms, blocked("select", tick, 70*ms, 0))
		at(library, 0, begin, read("broker:4222", keepAlive, 10*ms, 0, 0))
	}
	return r
}

// lightMode cannot tell netpoll from sched.
func lightMode() *recording {
	r := newRecording("light")
	r.meta.Unmeasured = map[wait.Part]string{
		"netpoll": "mode light sets no probes in the target",
		"sched":   "mode light sets no probes in the target",
	}
	w := read("postgres:5432", orderStack, 6*ms, none, none)
	w.Total = 10 * ms
	r.add(100, w)
	before := w
	before.StartedBefore, before.Total, before.Network = true, time.Second, 999*ms
	r.add(1, before)
	return r
}

// incomplete lacks something of everything: on the machine, in one program and in
// both.
func incomplete() *recording {
	r := newRecording("all")
	r.meta.Targets = append(r.meta.Targets, wait.Target{Exe: "/app/worker", PID: 4188, Go: "go1.26.8", Mode: wait.ModeAll})
	api, worker := &r.meta.Targets[0], &r.meta.Targets[1]
	const inlined = "internal/poll.runtime_pollReset is inlined elsewhere"
	r.meta.Unmeasured = map[wait.Part]string{
		wait.PartIdle:      "no probe at tcp_sendmsg",
		wait.PartIdleOther: "no probe at unix_stream_sendmsg",
		wait.PartPoller:    "never asked for, never said",
	}
	api.Unmeasured = map[wait.Part]string{wait.PartOutcome: inlined, wait.PartEnds: "runtime.execute is inlined elsewhere", wait.PartBlocked: "stripped"}
	worker.Unmeasured = map[wait.Part]string{wait.PartOutcome: inlined, wait.PartBlocked: "no place found"}
	w := read("postgres:5432", orderStack, 6*ms, 3*ms, ms)
	w.Poller = "findRunnable"
	r.add(80, w)
	w.Outcome, w.Idle, w.Poller = wait.OutcomeUnknown, none, ""
	r.add(20, w)
	w.Outcome = wait.OutcomeReady
	r.add(5, w)
	b := blocked("chan receive", queueStack, none, ms)
	b.Total = 99 * ms
	r.add(50, b)
	return r
}

// unmeasured has nothing but totals.
func unmeasured() *recording {
	r := newRecording("io")
	r.meta.Unmeasured = map[wait.Part]string{"network": "no kprobe could be set: lockdown"}
	w := read("postgres:5432", orderStack, none, none, none)
	w.Total, w.Idle = 500*time.Microsecond, none
	r.add(10, w)
	return r
}

func onlyIdle() *recording {
	r := newRecording("io")
	w := served(none, none, ms)
	w.Total, w.Blocked, w.Idle, w.Outcome = 11*ms, 10*ms, 10*ms, wait.OutcomeClosed
	r.add(1200, w)
	return r
}

func onlyOpen() *recording {
	r := newRecording("io")
	r.add(3, open(read("redis-2:6379", cacheStack, 0, 0, 0), 30*time.Second))
	return r
}

// worker computes what another goroutine waits for.
func worker() *recording {
	r := newRecording(wait.ModeAll)
	w := blocked("chan receive", cacheStack, 20*ms, ms)
	w.Goid, w.WakerGoid, w.WakerLine = 7, 8, "/src/shop/pool/worker.go:44"
	r.add(10, w)
	return r
}

// handoffsPaused is mode io of a program in which it was too expensive to see at all
// times for whom libraries waited.
func handoffsPaused() *recording {
	r := newRecording(wait.ModeIO)
	r.add(40, read("prices:80", libraryStack("net/http.(*persistConn).readLoop", "/go/src/net/http/transport.go:2218"), 20*ms, 0, 0))
	r.event(wait.EventHandoffs, time.Second, 3*time.Second, 1, "")
	r.events[len(r.events)-1].Detail = new(wait.HandoffChange)
	return r
}

// lossy lost waits, changed its mode and was cut off.
func lossy() *recording {
	r := checkout()
	r.cut = true
	r.event(wait.EventLost, time.Second, none, 1000, "ring buffer full")
	r.event(wait.EventLost, 2*time.Second, none, 234, "no slot for the goroutine")
	r.event(wait.EventIncomplete, 2*time.Second, none, 40, "waits without their stack")
	r.event(wait.EventMode, 2500*ms, none, 0, "mode light, since io cost 7.1 % of the target's CPU")
	r.event(wait.EventTarget, 12*time.Second, none, 0, "the target was killed by signal 9")
	return r
}

// several is two services at once, of which one changed its mode and is gone,
// and a second process of the other that came later.
func several() *recording {
	r := newRecording("io")
	r.meta.Targets[0].GOMAXPROCS = 16
	r.meta.Targets = append(r.meta.Targets, wait.Target{Exe: "/app/worker", PID: 4188, Go: "go1.26.8", BuildID: "x", Mode: wait.ModeIO})
	api := &wait.Process{Host: "node-1", Name: "checkout-api", PID: 4171}
	worker := &wait.Process{Host: "node-1", Name: "worker", PID: 4188}
	second := &wait.Process{Host: "node-1", Name: "worker", PID: 4203}
	for i, p := range []*wait.Process{api, worker, second} {
		r.add(10*(i+1), read("postgres:5432", orderStack, 6*ms, 3*ms, ms))
		for j := range 10 * (i + 1) {
			r.waits[len(r.waits)-1-j].Process = p
		}
	}
	at := func(kind wait.EventKind, after, duration time.Duration, p *wait.Process, note string, detail wait.Detail) {
		r.event(kind, after, duration, 0, note)
		last := &r.events[len(r.events)-1]
		last.Process, last.Detail = p, detail
	}
	at(wait.EventMode, 10*time.Second, none, worker, "mode all, since it costs 0.2 % of its CPU", &wait.ModeChange{Mode: wait.ModeAll})
	joined := &wait.Target{Exe: "/app/worker", PID: 4203, Go: "go1.26.8", BuildID: "x", Mode: wait.ModeIO}
	at(wait.EventTarget, 12*time.Second, none, second, "recorded from here on", &wait.TargetChange{State: wait.TargetJoined, Target: joined})
	at(wait.EventTarget, 20*time.Second, none, api, "the process has exited", &wait.TargetChange{State: wait.TargetExited})
	at(wait.EventOverhead, time.Second, 15*ms, api, "", nil)
	at(wait.EventCPU, time.Second, time.Second, api, "", nil)
	at(wait.EventOverhead, time.Second, 18*ms, worker, "", nil)
	at(wait.EventCPU, time.Second, 2*time.Second, worker, "", nil)
	r.event(wait.EventEnd, 0, 30*time.Second, 0, "")
	r.cut = true // its end is there
	return r
}

func manyGroups() *recording {
	r := newRecording("io")
	for goid := range 30 {
		w := read("postgres:5432", orderStack, time.Duration(30-goid)*ms, 0, 0)
		w.Goid = uint64(goid + 1)
		r.add(1, w)
	}
	return r
}

// parked is a snapshot: who waits, without times.
func parked() *recording {
	r := newRecording("sample")
	parkedAt := func(w wait.Wait, fd int32) wait.Wait {
		w = open(w, 0)
		w.StartedBefore, w.FD = true, fd
		return w
	}
	for fd := range int32(12) {
		r.add(1, parkedAt(read("redis-2:6379", cacheStack, 0, 0, 0), 20+fd))
	}
	r.add(3, parkedAt(read("postgres:5432", orderStack, 0, 0, 0), 7))
	r.add(1500, parkedAt(blocked("chan receive", queueStack, 0, 0), -1))
	noStack := parkedAt(read("", nil, 0, 0, 0), 5)
	noStack.Proto = "pipe"
	r.add(1, noStack)
	return r
}

// hostile has names that try to break whatever they are written into.
func hostile() *recording {
	r := newRecording("io")
	r.meta.Targets[0].Exe = "/tmp/\x1b]0;owned\x07api"
	r.meta.Targets[0].Go = "go1.24<script>" + strings.Repeat("x", 90)
	names := []string{
		"\x1b[2J\x1b[31mred:1",
		"=cmd|' /C calc'!A0",
		"+1:2", "-1:2", "@sum:3",
		"a|b`c`<img src=x onerror=alert(1)>:80",
		"new\nline\r\n:1",
		"\u202egnp.exe:1",
		"bad\xff\xfeutf8:1",
		"\"quoted\",comma:1",
		"世界-" + strings.Repeat("very-long-name-", 10) + ":6379",
		"semi;colon:1",
	}
	for i, name := range names {
		stack := stackOf("main.f\x1b[0m<b>", "/app/a|b\n.go:"+strings.Repeat("9", i+1))
		r.add(len(names)-i, read(name, stack, 10*ms, 0, 0))
		r.add(1, open(read(name, stack, 0, 0, 0), time.Duration(i+1)*time.Second))
	}
	r.event(wait.EventLost, 0, none, 1, "\x1b[2J somewhere | <b>")
	r.event(wait.EventTarget, 0, none, 0, "ran \u202eanother\n# program")
	return r
}
