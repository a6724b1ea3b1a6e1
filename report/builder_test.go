package report_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/netpolltrace/netpolltrace/report"
	"github.com/netpolltrace/netpolltrace/wait"
)

const (
	ms   = time.Millisecond
	none = wait.Unmeasured
)

// build adds the waits to a report.
func build(t *testing.T, options report.Options, waits ...wait.Wait) *report.Report {
	t.Helper()
	b, err := report.NewBuilder(options)
	if err != nil {
		t.Fatal(err)
	}
	for i := range waits {
		if err := b.Wait(&waits[i]); err != nil {
			t.Fatal(err)
		}
	}
	return reported(t, b)
}

func reported(t *testing.T, b *report.Builder) *report.Report {
	t.Helper()
	r, err := b.Report()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func by(keys ...report.Key) report.Options { return report.Options{By: keys} }

// read is a read of a dialed socket to which a request had been sent.
func read(network, netpoll, sched time.Duration) wait.Wait {
	return wait.Wait{
		Kind: wait.KindWait, Total: network + netpoll + sched, Network: network, Netpoll: netpoll, Blocked: none, Sched: sched,
		Reason: wait.ReasonIO, Op: wait.OpRead, Outcome: wait.OutcomeReady, FD: 9, Role: wait.RoleDialed, Proto: "tcp",
		Local: "10.0.0.7:41234", Peer: "db:5432", P: -1, TID: -1, Count: 1,
	}
}

func served(network, netpoll, sched time.Duration) wait.Wait {
	w := read(network, netpoll, sched)
	w.Role, w.Local, w.Peer, w.Idle = wait.RoleAccepted, "10.0.0.7:8080", "10.9.8.7:50001", network
	return w
}

func TestHandoffsAreNoWaits(t *testing.T) {
	handoff := wait.Empty()
	handoff.Kind, handoff.Goid, handoff.WakerGoid, handoff.Reason = wait.KindHandoff, 17, 18, "select"
	got := build(t, by("peer"), read(ms, ms, ms), handoff)
	compare(t, got, build(t, by("peer"), read(ms, ms, ms)))
}

func TestKeys(t *testing.T) {
	full := read(ms, ms, ms)
	full.Goid, full.Poller, full.P, full.TID, full.StartFunc = 17, "sysmon", 3, 4172, "main.handle"
	full.Process = &wait.Process{Host: "node-1", Name: "api", PID: 4171}
	full.Stack = &wait.Stack{Funcs: "main.main;main.get", Line: "/app/get.go:7", Func: "main.get", Via: "main.get", Own: "main.main;main.get"}
	full.WakerLine, full.CreatorLine, full.ParentGoid = "/app/put.go:8", "/app/main.go:9", 5
	full.Explanation = &wait.Explanation{For: wait.ForRequest}
	bare := wait.Wait{Kind: wait.KindWait, FD: -1, P: -1, TID: -1}
	tests := []struct {
		key        report.Key
		full, bare string
	}{
		{"peer", "db:5432", ""},
		{"peer_ip", "db", ""},
		{"local", "10.0.0.7:41234", ""},
		{"line", "/app/get.go:7", ""},
		{"goroutine", "17", ""},
		{"start", "main.handle", ""},
		{"stack", "main.main;main.get", ""},
		{"func", "main.get", ""},
		{"fd", "9", ""},
		{"reason", "IO wait", ""},
		{"op", "read", ""},
		{"outcome", "ready", ""},
		{"proto", "tcp", ""},
		{"role", "dialed", ""},
		{"poller", "sysmon", ""},
		{"thread", "4172", ""},
		{"p", "3", ""},
		{"process", "api", ""},
		{"pid", "4171", ""},
		{"host", "node-1", ""},
		{"via", "main.get", ""},
		{"own", "main.main;main.get", ""},
		{"entry", "main.main", ""},
		{"cause", "network of db:5432", ""},
		{"for", "request", ""},
		{"waker", "/app/put.go:8", ""},
		{"creator", "/app/main.go:9", ""},
		{"parent", "5", ""},
	}
	var tested []string
	for _, test := range tests {
		tested = append(tested, string(test.key))
	}
	slices.Sort(tested)
	if !slices.Equal(tested, report.KeyNames()) {
		t.Errorf("tested are the keys %q of %q", tested, report.KeyNames())
	}
	for _, test := range tests {
		for _, c := range []struct {
			w    wait.Wait
			want string
		}{{full, test.full}, {bare, test.bare}} {
			r := build(t, by(test.key), c.w)
			if got := r.Table.Rows[0].Key[0]; got != c.want {
				t.Errorf("%s: %q, want %q", test.key, got, c.want)
			}
		}
	}
}

func TestPeerOfOthers(t *testing.T) {
	tests := []struct {
		name        string
		w           wait.Wait
		peer, peerI string
	}{
		{"accepted", wait.Wait{Role: wait.RoleAccepted, Local: "[::1]:8080", Peer: "[fe80::1%eth0]:50001"}, "clients of :8080", "fe80::1%eth0"},
		{"accepted by a unix socket", wait.Wait{Role: wait.RoleAccepted, Local: "/run/api.sock"}, "clients of /run/api.sock", ""},
		{"listening", wait.Wait{Role: wait.RoleListening, Local: "0.0.0.0:8080"}, "clients of :8080", ""},
		{"unix", wait.Wait{Role: wait.RoleDialed, Peer: "/run/a:b.sock"}, "/run/a:b.sock", "/run/a:b.sock"},
		{"pipe", wait.Wait{Proto: "pipe"}, "pipe", ""},
	}
	for _, test := range tests {
		r := build(t, by(report.KeyPeer, report.KeyPeerIP), test.w)
		got := r.Table.Rows[0].Key
		if got[0] != test.peer || got[1] != test.peerI {
			t.Errorf("%s: %q, want %q %q", test.name, got, test.peer, test.peerI)
		}
	}
}

func TestParseKeys(t *testing.T) {
	keys, err := report.ParseKeys("peer, line")
	if err != nil || !slices.Equal(keys, []report.Key{report.KeyPeer, report.KeyLine}) {
		t.Errorf("got %v, %v", keys, err)
	}
	_, err = report.ParseKeys("peer,port")
	const want = `unknown key "port" (did you mean for or host?); for all keys see netpolltrace report --help`
	if err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
}

// A row's key has each name once: waker and waker_line are one key.
func TestKeysOnce(t *testing.T) {
	for list, twice := range map[string]string{"peer,line,peer": "peer", "waker,waker_line": "waker_line"} {
		want := fmt.Sprintf("key %q is given twice: give it once", twice)
		if _, err := report.ParseKeys(list); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", list, err, want)
		}
	}
	if _, err := report.ParseSnapshotKeys("reason,reason"); err == nil {
		t.Error("the keys of a snapshot are taken twice")
	}
}

// An empty key is no column without a key.
func TestNoKey(t *testing.T) {
	if keys, err := report.ParseKeys(""); err == nil {
		t.Errorf("got %q", keys)
	}
}

// Texts that look like the separators of a key do not bring groups together.
func TestGroupsOfHostileTexts(t *testing.T) {
	var waits []wait.Wait
	for _, texts := range [][2]string{{"a", "b"}, {"a\x01\x00\x00\x00", "b"}, {"", "ab"}, {"ab", ""}, {"\x00\x00\x00\x00", ""}, {"", "\x00\x00\x00\x00"}} {
		w := read(ms, 0, 0)
		w.Peer, w.Proto, w.Local = texts[0], "", texts[1]
		waits = append(waits, w)
	}
	r := build(t, by(report.KeyPeer, "local"), waits...)
	if got := len(r.Table.Rows); got != len(waits) {
		t.Errorf("%d groups of %d", got, len(waits))
	}
	for _, row := range r.Table.Rows {
		if row.All.Waits != 1 {
			t.Errorf("group %q has %d waits", row.Key, row.All.Waits)
		}
	}
}

// What is awaited of a wait, and what the idle line says of it.
func TestAwaited(t *testing.T) {
	pooledThenAsked := read(10*ms, ms, ms)
	pooledThenAsked.Idle = 4 * ms
	notKnown := read(10*ms, ms, ms)
	notKnown.Idle = none
	interrupted := served(none, none, ms)
	interrupted.Total, interrupted.Blocked, interrupted.Idle, interrupted.Outcome = 11*ms, 10*ms, 10*ms, wait.OutcomeInterrupted
	light := served(10*ms, none, none)
	light.Total = 12 * ms
	closed := read(none, none, none)
	closed.Total, closed.Idle, closed.Outcome = 10*ms, 10*ms, wait.OutcomeClosed
	deadline := read(none, none, ms)
	deadline.Total, deadline.Blocked, deadline.Outcome, deadline.Idle = 11*ms, 10*ms, wait.OutcomeTimeout, 3*ms
	tooIdle := read(10*ms, ms, ms)
	tooIdle.Idle = time.Hour
	tests := []struct {
		name                  string
		w                     wait.Wait
		waits                 uint64
		total, network, sched time.Duration
		blocked               time.Duration
		idle                  report.IdleWaits
	}{
		{"a request had been sent", read(10*ms, ms, ms), 1, 12 * ms, 10 * ms, ms, none, report.IdleWaits{}},
		{"a request was sent meanwhile", pooledThenAsked, 1, 8 * ms, 6 * ms, ms, none, report.IdleWaits{}},
		{"nobody knows", notKnown, 1, 12 * ms, 10 * ms, ms, none, report.IdleWaits{Unknown: 1}},
		{"a client's request lay there", served(10*ms, ms, 2*ms), 1, 3 * ms, 0, 2 * ms, none, report.IdleWaits{KeepAlive: 1, Time: 10 * ms}},
		{"in light, too", light, 1, 2 * ms, 0, none, none, report.IdleWaits{KeepAlive: 1, Time: 10 * ms}},
		{"no request came", interrupted, 0, 0, none, none, none, report.IdleWaits{KeepAlive: 1, Time: 10 * ms}},
		{"closed in the pool", closed, 0, 0, none, none, none, report.IdleWaits{Pooled: 1, Time: 10 * ms}},
		{"asked and given up", deadline, 1, 8 * ms, none, ms, 7 * ms, report.IdleWaits{}},
		{"idle for longer than it took", tooIdle, 1, 2 * ms, 0, ms, none, report.IdleWaits{Pooled: 1, Time: time.Hour}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := build(t, by(report.KeyPeer), test.w).Table
			got := s.Rows[0].Awaited
			if got.Waits != test.waits || got.Total != test.total || got.Network != test.network ||
				got.Sched != test.sched || got.Blocked != test.blocked {
				t.Errorf("awaited %+v", got)
			}
			if s.Idle != test.idle {
				t.Errorf("idle %+v, want %+v", s.Idle, test.idle)
			}
			if all := s.Rows[0].All; all.Waits != 1 || all.Total != test.w.Total {
				t.Errorf("all %+v", all)
			}
		})
	}
}

func TestOpenWaits(t *testing.T) {
	open := func(peer string, age, idle time.Duration) wait.Wait {
		w := read(none, none, none)
		w.Kind, w.Total, w.Idle, w.Peer, w.Outcome = wait.KindOpen, age, idle, peer, ""
		return w
	}
	s := build(t, by(report.KeyPeer), open("a:1", 5*ms, 0), open("b:1", 9*ms, 2*ms), open("a:1", 80*ms, 80*ms)).Table
	if s.Open.Count != 2 || s.Open.Oldest != 7*ms || s.Open.OldestKey[0] != "b:1" {
		t.Errorf("open %+v", s.Open)
	}
	if s.Totals.Open != 3 || s.Totals.OpenTime != 94*ms || s.Totals.All.Waits != 0 || s.Totals.All.Total != 0 {
		t.Errorf("totals %+v", s.Totals)
	}
	if s.Idle.Pooled != 1 {
		t.Errorf("idle %+v", s.Idle)
	}
}

func TestSamplesWeigh(t *testing.T) {
	w := read(2*ms, ms, 0)
	w.Kind, w.Count = wait.KindSample, 40
	w.Outcome = wait.OutcomeTimeout
	n := build(t, by(report.KeyPeer), w).Table.Rows[0].All
	if n.Waits != 40 || n.Timeouts != 40 || n.Total != 120*ms || n.Network != 80*ms || n.P50 != 3*ms {
		t.Errorf("got %+v", n)
	}
}

// Of the waits that people are shown those are told that began before the recording,
// not those that nobody awaited.
func TestStartedBeforeAndIdle(t *testing.T) {
	awaited, idle := read(ms, 0, 0), read(time.Hour, 0, 0)
	idle.Idle = idle.Total
	awaited.StartedBefore, idle.StartedBefore = true, true
	row := build(t, by(report.KeyPeer), awaited, idle, idle).Table.Totals
	if row.StartedBefore != 3 || row.All.StartedBefore != 3 || row.Shown.StartedBefore != 1 {
		t.Errorf("%d waits, %d finished, %d shown", row.StartedBefore, row.All.StartedBefore, row.Shown.StartedBefore)
	}
}

// A total that is a lower bound is in the sum and not in the percentiles.
func TestStartedBefore(t *testing.T) {
	before := read(time.Hour, 0, 0)
	before.StartedBefore = true
	r := build(t, by(report.KeyPeer), before, read(ms, 0, 0))
	row := r.Table.Rows[0]
	if row.StartedBefore != 1 || row.All.Waits != 2 || row.All.Total != time.Hour+ms || row.All.Max != ms {
		t.Errorf("got %+v", row)
	}
	only := build(t, by(report.KeyPeer), before).Table.Rows[0].All
	if only.P50 != none || only.Max != none {
		t.Errorf("percentiles of nothing: %+v", only)
	}
}

func TestMissingParts(t *testing.T) {
	blocked := read(none, none, ms)
	blocked.Blocked, blocked.Total = 2*ms, 3*ms
	light := read(5*ms, none, none)
	light.Total = 7 * ms
	n := build(t, by(report.KeyPeer), read(ms, ms, ms), blocked, light).Table.Rows[0].All
	if n.NoNetwork != 0 || n.NoNetpoll != 1 || n.NoSched != 1 || n.Unsplit != 2*ms {
		t.Errorf("got %+v", n)
	}
}

// network + netpoll + blocked + sched + unsplit = total, whatever comes.
func TestSumsProperty(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 7))
	duration := func() time.Duration {
		if random.IntN(3) == 0 {
			return none
		}
		return time.Duration(random.IntN(1e6))
	}
	var waits []wait.Wait
	for range 5000 {
		w := wait.Wait{
			Kind:  []wait.Kind{wait.KindWait, wait.KindOpen, wait.KindSample}[random.IntN(3)],
			Total: time.Duration(random.IntN(1e7)), Network: duration(), Netpoll: duration(), Blocked: duration(), Sched: duration(),
			Idle: duration(), Op: []wait.Op{wait.OpRead, ""}[random.IntN(2)], Role: []wait.Role{wait.RoleDialed, wait.RoleAccepted}[random.IntN(2)],
			Goid: uint64(random.IntN(50)), Count: uint64(random.IntN(5)), StartedBefore: random.IntN(9) == 0, FD: -1,
		}
		waits = append(waits, w)
	}
	for _, options := range []report.Options{{}, by(report.KeyGoroutine), {By: []report.Key{report.KeyGoroutine}, MaxGroups: 7}} {
		r := build(t, options, waits...)
		for _, row := range append(slices.Clone(r.Table.Rows), &r.Table.Totals) {
			for _, n := range []report.Numbers{row.All, row.Awaited, row.Shown} {
				if sum := max(n.Network, 0) + max(n.Netpoll, 0) + max(n.Blocked, 0) + max(n.Sched, 0) + n.Unsplit; sum != n.Total {
					t.Fatalf("%q: parts are %d, total is %d", row.Key, sum, n.Total)
				}
			}
		}
		var total time.Duration
		for i := range waits {
			switch waits[i].Kind {
			case wait.KindWait:
				total += waits[i].Total
			case wait.KindSample:
				total += waits[i].Total * time.Duration(waits[i].Count)
			}
		}
		if r.Table.Totals.All.Total != total {
			t.Errorf("total %d, want %d", r.Table.Totals.All.Total, total)
		}
	}
}

func TestMaxGroups(t *testing.T) {
	b, err := report.NewBuilder(by(report.KeyGoroutine))
	if err != nil {
		t.Fatal(err)
	}
	w := read(ms, 0, 0)
	for round := range 2 {
		for i := range 100_010 {
			w.Goid = uint64(1 + i)
			w.Network = time.Duration(1+round) * ms
			w.Total = w.Network
			if err := b.Wait(&w); err != nil {
				t.Fatal(err)
			}
		}
	}
	s := reported(t, b).Table
	last := s.Rows[len(s.Rows)-1]
	if len(s.Rows) != 100_001 || !last.Other || last.All.Waits != 20 || last.All.Total != 30*ms {
		t.Errorf("%d rows, the last is %+v", len(s.Rows), last)
	}
	if s.Totals.All.Waits != 200_020 {
		t.Errorf("%d waits", s.Totals.All.Waits)
	}
}

func TestSort(t *testing.T) {
	wait3 := func(goid uint64, n int, network, sched time.Duration) []wait.Wait {
		w := read(network, 0, sched)
		w.Goid = goid
		return slices.Repeat([]wait.Wait{w}, n)
	}
	waits := slices.Concat(wait3(9, 1, 9*ms, ms), wait3(10, 5, ms, 0), wait3(2, 2, 2*ms, 2*ms))
	tests := []struct{ sort, want string }{
		{"", "9 2 10"},
		{"total", "9 2 10"},
		{"waits", "10 2 9"},
		{"p99", "9 2 10"},
		{"max", "9 2 10"},
		{"network", "9 10 2"},
		{"sched", "2 9 10"},
		{"netpoll", "2 9 10"}, // all the same, so by name
		{"timeouts", "2 9 10"},
		{"name", "2 9 10"},
	}
	for _, test := range tests {
		r := build(t, report.Options{By: []report.Key{report.KeyGoroutine}, Sort: test.sort}, waits...)
		var got []string
		for _, row := range r.Table.Rows {
			got = append(got, row.Key[0])
		}
		if strings.Join(got, " ") != test.want {
			t.Errorf("%q: %s, want %s", test.sort, got, test.want)
		}
	}
	_, err := report.NewBuilder(report.Options{Sort: "size"})
	if err == nil || !strings.HasPrefix(err.Error(), `unknown order "size"; orders: total, waits, p50,`) {
		t.Errorf("got %v", err)
	}
}

func TestFilter(t *testing.T) {
	blocked := read(none, none, ms)
	blocked.Blocked, blocked.Total, blocked.Goid = 2*ms, 3*ms, 4
	tcp := read(ms, ms, ms)
	tcp.HasTCP, tcp.RTT, tcp.Retransmits = true, 300, 2
	tcp.Stack = &wait.Stack{Funcs: "main.main;main.get", Line: "/app/get.go:7", Func: "main.get"}
	tcp.Process = &wait.Process{Host: "node-1", Name: "api", PID: 4171}
	open := read(none, none, none)
	open.Kind = wait.KindOpen
	waits := []wait.Wait{blocked, tcp, open}
	tests := []struct {
		text          string
		finished, all uint64
	}{
		{`total > 2ms`, 2, 2},
		{`netpoll > 0s`, 1, 1},
		{`netpoll != 7ms`, 1, 1},
		{`blocked == 2ms`, 1, 1},
		{`goid == 4 && goroutine == 4`, 1, 1},
		{`goid != 4`, 0, 0}, // of the others it is not known
		{`kind == "open"`, 0, 1},
		{`rtt < 1ms and retransmits == 2`, 1, 1},
		{`retransmits < 5`, 1, 1},
		{`peer_ip == "db" and peer == "db:5432" and local startsWith "10." and role == "dialed" and op == "read"`, 2, 3},
		{`pid == 4171 and process == "api" and host == "node-1" and func endsWith "get" and line contains "get.go" and stack contains "main;"`, 1, 1},
		{`fd == 9 and not started_before and count == 1 and reason == "IO wait" and proto == "tcp"`, 2, 3},
		{`p >= 0 or tid >= 0 or thread >= 0 or waker_goid > 0`, 0, 0},
		{`awaited > 1ms and unsplit == 0s and idle == 0s`, 2, 2},
	}
	for _, test := range tests {
		f, err := report.NewFilter(test.text)
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		totals := build(t, report.Options{Filter: f}, waits...).Table.Totals
		if totals.All.Waits != test.finished || totals.All.Waits+totals.Open != test.all {
			t.Errorf("%s: %d finished, %d open", test.text, totals.All.Waits, totals.Open)
		}
	}
	_, err := report.NewFilter(`total > 5`)
	if err == nil || !strings.HasPrefix(err.Error(), `reading the filter "total > 5": column 7: invalid operation`) || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v", err)
	}
}

// Measured against sorted values: percentiles are within the accuracy that the
// package promises, the maximum is exact.
func TestPercentiles(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 3))
	var totals []time.Duration
	var waits []wait.Wait
	for range 20_000 {
		d := time.Duration(math.Exp(random.NormFloat64()*3) * 1e5)
		totals = append(totals, d)
		w := read(d, 0, 0)
		// Some are in the tally of waits with idle time.
		if random.IntN(2) == 0 {
			w.Idle = d / 2
		}
		waits = append(waits, w)
	}
	slices.Sort(totals)
	n := build(t, by(report.KeyPeer), waits...).Table.Rows[0].All
	for _, c := range []struct {
		q   float64
		got time.Duration
	}{{0.5, n.P50}, {0.9, n.P90}, {0.99, n.P99}, {0.99, n.NetworkP99}} {
		want := float64(totals[int(c.q*float64(len(totals)-1))])
		if math.Abs(float64(c.got)-want) > 1.001*report.Accuracy*want {
			t.Errorf("p%v is %v, want %v", 100*c.q, c.got, time.Duration(want))
		}
	}
	if n.Max != totals[len(totals)-1] || n.NetpollP99 != 0 {
		t.Errorf("max %v, netpoll %v", n.Max, n.NetpollP99)
	}
}

func TestDistributionEdges(t *testing.T) {
	d, err := report.NewDistribution()
	if err != nil {
		t.Fatal(err)
	}
	if d.Quantile(0.5) != none || d.Max() != none {
		t.Error("an empty distribution has a median")
	}
	d.Add(math.MaxInt64, 1)
	if d.Quantile(0.5) != math.MaxInt64 || d.Max() != math.MaxInt64 {
		t.Errorf("largest: %d", d.Quantile(0.5))
	}
	d.Add(0, 3)
	if d.Quantile(0.5) != 0 || float64(d.Quantile(1)) < 0.99*math.MaxInt64 || d.Count() != 4 {
		t.Errorf("with zeros: %d %d", d.Quantile(0.5), d.Quantile(1))
	}
	d.Add(0, 0)
	if d.Count() != 4 {
		t.Error("nothing was counted")
	}
}

func TestEvents(t *testing.T) {
	b, err := report.NewBuilder(report.Options{})
	if err != nil {
		t.Fatal(err)
	}
	began := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	begin := func() {
		if err := b.Begin(&wait.Meta{Started: began}); err != nil {
			t.Fatal(err)
		}
	}
	begin()
	at := func(kind wait.EventKind, after, duration time.Duration, count uint64, note string) {
		e := wait.Event{Kind: kind, Start: began.Add(after).UnixNano(), Duration: duration, Count: count, Note: note}
		if err := b.Event(&e); err != nil {
			t.Fatal(err)
		}
	}
	at(wait.EventLost, ms, none, 5, "ring buffer full")
	at(wait.EventLost, 2*ms, none, 7, "ring buffer full")
	at(wait.EventLost, 3*ms, none, 1, "no slot")
	at(wait.EventMode, time.Second, none, 0, "light: over 5 %")
	at(wait.EventOverhead, 0, 39*ms, 1000, "")
	at(wait.EventCPU, 0, 3*time.Second, 0, "")
	e := reported(t, b).Events
	if e.Lost != 13 || !e.Truncated || e.Seconds != 3 || e.Overhead != 1.3 {
		t.Errorf("without an end: %+v", e)
	}
	want := []report.Note{
		{Kind: wait.EventLost, At: ms, Count: 12, Text: "ring buffer full"},
		{Kind: wait.EventLost, At: 3 * ms, Count: 1, Text: "no slot"},
		{Kind: wait.EventMode, At: time.Second, Text: "light: over 5 %"},
	}
	if !slices.Equal(e.Notes, want) {
		t.Errorf("notes %+v", e.Notes)
	}

	at(wait.EventEnd, 0, 10*time.Second, 0, "")
	if e := reported(t, b).Events; e.Truncated || e.Seconds != 10 {
		t.Errorf("with its end: %+v", e)
	}
	begin()
	if e := reported(t, b).Events; !e.Truncated || e.Seconds != 10 {
		t.Errorf("one of two recordings has no end: %+v", e)
	}
	// Of many notes the first are kept, and the others are added up by kind.
	for i := range 1000 {
		at(wait.EventLost, 0, none, 2, "place "+strconv.Itoa(i))
		at(wait.EventTarget, 0, none, 1, "the process "+strconv.Itoa(i)+" has exited")
	}
	e = reported(t, b).Events
	var kept, lost, left uint64
	for _, n := range e.Notes {
		switch {
		case !n.Further:
			kept++
		case n.Kind == wait.EventLost:
			lost = n.Count
		case n.Kind == wait.EventTarget:
			left = n.Count
		}
	}
	if kept != 20 || lost != 2*(1000-9) || left != 1000-8 || e.Lost != 2013 {
		t.Errorf("%d notes are kept, of the others %d waits are lost and %d processes left, of all %d lost", kept, lost, left, e.Lost)
	}
}

func TestDescriptors(t *testing.T) {
	var waits []wait.Wait
	for fd := range int32(10) {
		w := read(none, none, none)
		w.Kind, w.Total, w.StartedBefore, w.FD = wait.KindOpen, 0, true, 20-fd
		waits = append(waits, w, w)
	}
	r := build(t, report.Options{By: []report.Key{report.KeyPeer}, FDs: true, Sort: "open"}, waits...)
	row := r.Table.Rows[0]
	if !slices.Equal(row.FDs, []int32{13, 14, 15, 16, 17, 18, 19, 20}) || !row.MoreFDs || row.Open != 20 {
		t.Errorf("got %+v", row)
	}
}

func TestFormatting(t *testing.T) {
	for d, want := range map[time.Duration]string{
		none: "-", 0: "0 s", 40 * time.Microsecond: "40 µs", 400 * time.Microsecond: "0.4 ms", 11900 * time.Microsecond: "11.9 ms",
		82200 * ms: "82.2 s", 12345 * time.Second: "12,345.0 s",
	} {
		if got := report.FormatDuration(d); got != want {
			t.Errorf("%d: %q, want %q", d, got, want)
		}
	}
	for n, want := range map[uint64]string{0: "0", 999: "999", 1000: "1,000", 18204: "18,204", 1234567: "1,234,567"} {
		if got := report.FormatCount(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
	if got := report.FormatNumber(-1234.56, 1); got != "-1,234.6" {
		t.Errorf("got %q", got)
	}
	if got := report.ShortLine("example.org/shop/cache.Get[example.org/shop/x.T]", "/app/cart.go:88"); got != "cache.Get[example.org/shop/x.T] cart.go:88" {
		t.Errorf("got %q", got)
	}
}
