package report_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/netpolltrace/netpolltrace/findings"
	"github.com/netpolltrace/netpolltrace/report"
	"github.com/netpolltrace/netpolltrace/wait"
)

// start is where the streams of these tests begin: at the beginning of a second.
var start = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// record is a wait or an event.
type record struct {
	wait  *wait.Wait
	event *wait.Event
}

// stream is n records of everything, a millisecond apart: busy and idle, open
// and estimated, of slow peers and late goroutines, with losses and a limit.
func stream(n int) []record {
	random := rand.New(rand.NewPCG(3, 4))
	process := &wait.Process{Host: "node-1", Name: "api", PID: 4171}
	stack := &wait.Stack{Func: "main.get", Line: "/app/get.go:7", Funcs: "main.main;main.get"}
	var records []record
	for i := range n {
		at := start.UnixNano() + int64(i)*int64(ms)
		if random.IntN(10) == 0 {
			kind := []wait.EventKind{wait.EventLost, wait.EventCPU, wait.EventOverhead, wait.EventIncomplete}[random.IntN(4)]
			records = append(records, record{event: &wait.Event{
				Kind: kind, Start: at, Duration: time.Duration(random.IntN(1e6)), Count: uint64(random.IntN(9)),
				Process: process, Note: fmt.Sprintf("place %d", random.IntN(30)),
			}})
			continue
		}
		w := read(time.Duration(random.ExpFloat64()*1e6), time.Duration(random.IntN(4))*ms, time.Duration(random.IntN(1e5)))
		w.Process, w.Stack, w.Goid, w.FD = process, stack, uint64(1+random.IntN(40)), int32(random.IntN(30))
		w.Peer = fmt.Sprintf("redis-%d:6379", random.IntN(3))
		if w.Peer == "redis-2:6379" {
			w.Network, w.Total = w.Network+20*ms, w.Total+20*ms
		}
		switch random.IntN(8) {
		case 0:
			w.Role, w.Local, w.Idle = wait.RoleAccepted, "10.0.0.7:8080", w.Network
		case 1:
			w.Kind, w.Outcome = wait.KindOpen, ""
			w.Network, w.Netpoll, w.Sched = none, none, none
		case 2:
			w.Kind, w.Count = wait.KindSample, uint64(random.IntN(5))
		case 3:
			w.Op, w.Reason, w.Role, w.Blocked, w.Idle = "", "chan receive", "", w.Network+w.Netpoll, none
			w.Network, w.Netpoll = none, none
			w.Explanation = &wait.Explanation{Causes: []wait.Cause{{Kind: wait.CauseNetwork, Peer: w.Peer, Time: w.Blocked}}}
		}
		w.Poller = []string{"", "sysmon"}[random.IntN(2)]
		if w.Kind == wait.KindWait {
			w.Outcome = []wait.Outcome{wait.OutcomeReady, wait.OutcomeTimeout, wait.OutcomeUnknown}[random.IntN(3)]
		}
		w.HasTCP, w.MinRTT, w.StartedBefore = true, uint32(random.IntN(300)), random.IntN(20) == 0
		w.Start = at - int64(w.Total)
		records = append(records, record{wait: &w})
	}
	end := &wait.Event{Kind: wait.EventEnd, Start: start.UnixNano() + int64(n)*int64(ms), Duration: time.Duration(n) * ms, Process: process}
	return append(records, record{event: end})
}

func (r record) add(t *testing.T, sink wait.Sink) {
	t.Helper()
	var err error
	if r.wait != nil {
		err = sink.Wait(r.wait)
	} else {
		err = sink.Event(r.event)
	}
	if err != nil {
		t.Error(err)
	}
}

// builder makes one that also draws conclusions, at the begin of a recording.
func builder(t *testing.T, options report.Options) *report.Builder {
	t.Helper()
	finder, err := findings.NewCollector()
	if err != nil {
		t.Fatal(err)
	}
	options.Finder = finder
	b, err := report.NewBuilder(options)
	if err != nil {
		t.Fatal(err)
	}
	target := wait.Target{Exe: "/app/api", PID: 4171, Mode: wait.ModeAll}
	if err := b.Begin(&wait.Meta{Targets: []wait.Target{target}, Started: start}); err != nil {
		t.Fatal(err)
	}
	return b
}

// compare tells which part of two reports differs.
func compare(t *testing.T, got, want *report.Report) {
	t.Helper()
	a, b := reflect.ValueOf(*got), reflect.ValueOf(*want)
	for i := range a.NumField() {
		if !reflect.DeepEqual(a.Field(i).Interface(), b.Field(i).Interface()) {
			t.Errorf("%s: got  %+v\nwant %+v", a.Type().Field(i).Name, a.Field(i), b.Field(i))
		}
	}
}

// All windows together say what a single one would have said, whether they are
// still kept apart or not, and whoever asked for reports meanwhile.
func TestWindowsAddUp(t *testing.T) {
	records := stream(20_000)
	tests := []struct {
		name    string
		options report.Options
		windows int // that are kept apart
	}{
		{"as people see it first", report.Options{}, 21},
		{"many goroutines", by(report.KeyGoroutine), 21},
		{"too many groups", report.Options{By: []report.Key{report.KeyGoroutine}, MaxGroups: 7}, 21},
		{"descriptors", report.Options{By: []report.Key{report.KeyPeer}, FDs: true}, 21},
		{"few windows kept apart", report.Options{MaxWindows: 3}, 3},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			single := builder(t, test.options)
			test.options.Window = time.Second
			windowed := builder(t, test.options)
			for i, r := range records {
				r.add(t, single)
				r.add(t, windowed)
				if i%777 == 0 {
					reported(t, windowed)
				}
			}
			want, got := reported(t, single), reported(t, windowed)
			if len(want.Findings) == 0 || want.Table.Totals.All.Waits == 0 {
				t.Fatalf("a stream with nothing in it: %+v", want)
			}
			compare(t, got, want)
			windows, err := windowed.Windows()
			if err != nil || len(windows) != test.windows {
				t.Errorf("%d windows, want %d; %v", len(windows), test.windows, err)
			}
		})
	}
}

// Each window speaks of its own time, and the newest together of the last.
func TestEachWindow(t *testing.T) {
	b := builder(t, report.Options{By: []report.Key{report.KeyPeer}, Window: time.Second})
	end := func(at time.Duration) record {
		w := read(ms, 0, 0)
		w.Start = start.Add(at - w.Total).UnixNano()
		return record{wait: &w}
	}
	late := end(1900 * ms) // than one of the next window
	for _, r := range []record{end(200 * ms), end(300 * ms), end(1500 * ms), end(3100 * ms), late, end(3500 * ms)} {
		r.add(t, b)
	}
	windows, err := b.Windows()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range windows {
		got = append(got, fmt.Sprintf("%v to %v: %d in %.1f s", r.From.Sub(start), r.To.Sub(start), r.Table.Totals.All.Waits, r.Events.Seconds))
		if r.Events.Truncated {
			t.Error("a window is said to have been cut off")
		}
	}
	want := []string{"0s to 1s: 2 in 0.1 s", "1s to 2s: 1 in 0.0 s", "3s to 4s: 3 in 0.5 s"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	for d, waits := range map[time.Duration]uint64{0: 3, ms: 3, time.Second: 3, 2 * time.Second: 3, 2500 * ms: 4, time.Minute: 6} {
		last, err := b.Last(d)
		if err != nil || last.Table.Totals.All.Waits != waits {
			t.Errorf("in the last %v: %+v, %v, want %d waits", d, last.Table.Totals.All, err, waits)
		}
	}
}

func TestNothingCame(t *testing.T) {
	b := builder(t, report.Options{Window: time.Second})
	windows, err := b.Windows()
	if err != nil || len(windows) > 0 {
		t.Errorf("windows %+v, %v", windows, err)
	}
	last, err := b.Last(time.Second)
	if err != nil || last != nil {
		t.Errorf("the last second %+v, %v", last, err)
	}
	if r := reported(t, b); r.Table.Totals.All.Waits != 0 {
		t.Errorf("all %+v", r)
	}
}

// Reports can be asked for while waits come. Each holds all that came before.
func TestReportsBesideWaits(t *testing.T) {
	records := stream(2_000)
	b := builder(t, report.Options{Window: 500 * ms, MaxWindows: 2})
	added := make(chan struct{})
	go func() {
		defer close(added)
		for _, r := range records {
			r.add(t, b)
		}
	}()
	read := func(name string, get func() error) chan struct{} {
		done := make(chan struct{})
		go func() {
			defer close(done)
			for over := false; !over; {
				select {
				case <-added:
					over = true // once more, of all
				default:
				}
				if err := get(); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
		}()
		return done
	}
	var before uint64
	readers := []chan struct{}{
		read("report", func() error {
			r, err := b.Report()
			if err != nil {
				return err
			}
			if r.Table.Totals.All.Waits < before {
				return fmt.Errorf("%d waits after %d", r.Table.Totals.All.Waits, before)
			}
			before = r.Table.Totals.All.Waits
			return nil
		}),
		read("windows", func() error { _, err := b.Windows(); return err }),
		read("last", func() error { _, err := b.Last(time.Second); return err }),
	}
	for _, done := range readers {
		<-done
	}
	single := builder(t, report.Options{})
	for _, r := range records {
		r.add(t, single)
	}
	compare(t, reported(t, b), reported(t, single))
}

// wakerIsNext says of each wait that the goroutine of the next one woke it, so that
// it holds one back.
type wakerIsNext struct {
	next wait.Sink
	held *wait.Wait
}

func (l *wakerIsNext) Wait(w *wait.Wait) error {
	kept := *w
	if l.held == nil {
		l.held = &kept
		return nil
	}
	l.held.WakerGoid = w.Goid
	ready := l.held
	l.held = &kept
	return l.next.Wait(ready)
}

func (l *wakerIsNext) Begin(*wait.Meta)          {}
func (l *wakerIsNext) Event(e *wait.Event) error { return l.next.Event(e) }

func (l *wakerIsNext) Flush() error {
	ready := l.held
	if l.held = nil; ready == nil {
		return nil
	}
	return l.next.Wait(ready)
}

// counter counts what it is shown.
type counter struct{ waits, explained int }

func (c *counter) Wait(w *wait.Wait) error {
	c.waits++
	if w.WakerGoid != 0 {
		c.explained++
	}
	return nil
}

func (c *counter) Event(*wait.Event) error { return nil }
func (c *counter) Empty() report.Finder    { return &counter{} }

func (c *counter) Merge(other report.Finder) {
	c.waits += other.(*counter).waits
	c.explained += other.(*counter).explained
}

func (c *counter) Findings() []report.Finding {
	return []report.Finding{{ID: "seen", Numbers: map[string]float64{"waits": float64(c.waits), "explained": float64(c.explained)}}}
}

// Waits are explained, then shown to findings, then filtered, then grouped: what
// the filter leaves out has explained others and is in the findings.
func TestStages(t *testing.T) {
	filter, err := report.NewFilter("waker_goid == 7")
	if err != nil {
		t.Fatal(err)
	}
	b, err := report.NewBuilder(report.Options{
		By: []report.Key{report.KeyGoroutine}, Filter: filter, Finder: &counter{},
		Explain: func(next wait.Sink) report.Explainer { return &wakerIsNext{next: next} },
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, goid := range []uint64{6, 7, 8} {
		w := read(ms, ms, ms)
		w.Goid = goid
		record{wait: &w}.add(t, b)
	}
	r := reported(t, b)
	if rows := r.Table.Rows; len(rows) != 1 || rows[0].Key[0] != "6" || rows[0].All.Waits != 1 {
		t.Errorf("rows %+v", rows)
	}
	if seen := r.Findings[0].Numbers; seen["waits"] != 3 || seen["explained"] != 2 {
		t.Errorf("findings saw %v, want all 3 and that 2 are explained", seen)
	}
}
