package recording

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/netpolltrace/netpolltrace/wait"
)

// begin is when the sample recordings begin.
var begin = time.Date(2026, 11, 23, 22, 15, 30, 5, time.UTC)

// sampleMeta has every part of a Meta.
func sampleMeta() *wait.Meta {
	return &wait.Meta{
		Targets: []wait.Target{{
			Exe: "/srv/shop/checkout-api", PID: 4171, Go: "go1.26.8", BuildID: "abc/def",
			GOMAXPROCS: 16, Args: []string{"-db", "10.0.0.7:5432"}, Mode: wait.ModeIO,
			Modules: &wait.Modules{
				Own: []string{"example.org/checkout"}, Libraries: []string{"github.com/redis/go-redis/v9"},
				MainPackage: "example.org/checkout/cmd/api", GOROOT: "/usr/local/go/src/",
			},
			Unmeasured: map[wait.Part]string{wait.PartOutcome: "inlined elsewhere"},
		}, {
			Exe: "/srv/shop/worker", PID: 4172, Go: "go1.25.5", Mode: wait.ModeAll,
		}},
		Host: "web-1", Kernel: "6.18.0", Arch: "amd64", Tool: "0.1.0", Probes: []string{"park: uprobe at netpollblock+0x41"},
		Started:    begin,
		ClockBase:  123456789,
		Unmeasured: map[wait.Part]string{wait.PartPoller: "only mode all sees who polled"},
	}
}

// sampleWaits have every field set, nothing set, and what lies between.
func sampleWaits() []wait.Wait {
	process := &wait.Process{Host: "web-1", Name: "checkout-api", PID: 4171}
	stack := &wait.Stack{
		Funcs: "main.main;main.serve;net.(*conn).Read",
		Lines: "/srv/main.go:10;/srv/main.go:88;net.go:5",
		Line:  "/srv/main.go:88",
		Func:  "main.serve",
		Via:   "net.(*conn).Read",
		Own:   "main.main;main.serve",
	}
	full := wait.Wait{
		Kind: wait.KindWait, Start: begin.UnixNano(),
		Total: 100, Network: 50, Netpoll: 0, Blocked: 7, Sched: 43, Idle: 20, Answered: 60,
		Process: process, Goid: 17, Reason: wait.ReasonIO,
		WakerGoid: 18, WakerPID: 4172, WakerLine: "/srv/main.go:90",
		ByTimer: true, Preempted: 8, WakerPreempted: 0, WakerStarted: 3, WakerParentGoid: 2,
		ParentGoid: 1, CreatorLine: "/srv/main.go:12", Labels: "tenant=a;route=/cart",
		Op: wait.OpRead, Outcome: wait.OutcomeReady, FD: 9, Proto: "tcp", Role: wait.RoleDialed,
		Local: "10.0.0.3:41000", Peer: "10.0.0.7:5432",
		RTT: 300, Retransmits: 0, HasTCP: true,
		Poller: "findRunnable", P: 0, TID: 4180, StartedBefore: true, Count: 1,
		StartFunc: "main.serve", Stack: stack,
	}
	bare := wait.Empty()
	bare.Kind, bare.Start, bare.Total = wait.KindOpen, begin.UnixNano()+5, 95
	unix := full
	unix.Peer, unix.Local, unix.Proto, unix.HasTCP, unix.RTT = "/run/db.sock", "", "unix", false, 0
	unix.Count, unix.Kind = 40, wait.KindSample
	return []wait.Wait{full, bare, unix}
}

// sampleEvents end with the end of a recording.
func sampleEvents() []wait.Event {
	process := &wait.Process{Host: "web-1", Name: "checkout-api", PID: 4171}
	return []wait.Event{
		{Kind: wait.EventLost, Start: begin.UnixNano() + 1, Duration: wait.Unmeasured, Count: 3, Process: process, Note: "ring buffer"},
		{Kind: wait.EventThrottled, Start: begin.UnixNano() + 1, Duration: time.Second, Count: 3, Process: process,
			Detail: &wait.Throttling{Cgroup: "/shop", Periods: 10, Throttled: 3, Time: 5 * time.Millisecond, Quota: 2}},
		{Kind: wait.EventEnd, Start: begin.UnixNano() + 2, Duration: 30 * time.Second, Count: 1, Process: process},
	}
}

// endOf is the event without which a recording counts as cut off.
func endOf() *wait.Event {
	return &wait.Event{Kind: wait.EventEnd, Start: begin.UnixNano(), Duration: time.Second}
}

// write is the bytes of a recording of what fill hands to its writer.
func write(t testing.TB, options Options, fill func(*Writer)) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := NewWriter(&out, sampleMeta(), options)
	if err != nil {
		t.Fatal(err)
	}
	fill(w)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// sampleFile is a small recording of three batches.
func sampleFile(t testing.TB) []byte {
	return write(t, Options{}, func(w *Writer) {
		waits, events := sampleWaits(), sampleEvents()
		put(t, w.Wait(&waits[0]), w.Wait(&waits[1]), w.Flush())
		put(t, w.Wait(&waits[2]), w.Event(&events[0]), w.Flush())
		put(t, w.Event(&events[1]), w.Event(&events[2]))
	})
}

func put(t testing.TB, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// collected is a sink that keeps all.
type collected struct {
	waits  []wait.Wait
	events []wait.Event
}

func (c *collected) Wait(w *wait.Wait) error   { c.waits = append(c.waits, *w); return nil }
func (c *collected) Event(e *wait.Event) error { c.events = append(c.events, *e); return nil }

// words is what was collected, one line a row, with what the pointers point to.
func (c *collected) lines() []string {
	var lines []string
	for _, w := range c.waits {
		process, stack := w.Process, w.Stack
		w.Process, w.Stack = nil, nil
		lines = append(lines, fmt.Sprintf("%+v %+v %+v", w, process, stack))
	}
	for _, e := range c.events {
		process, detail := e.Process, e.Detail
		e.Process, e.Detail = nil, nil
		lines = append(lines, fmt.Sprintf("%+v %+v %+v", e, process, detail))
	}
	return lines
}

// read is what a recording holds, and what is wrong with it.
func read(t testing.TB, file []byte) (*Reader, *collected) {
	t.Helper()
	r, err := NewReader(bytes.NewReader(file), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	got := new(collected)
	if err := r.Run(context.Background(), got); err != nil {
		t.Fatal(err)
	}
	return r, got
}
