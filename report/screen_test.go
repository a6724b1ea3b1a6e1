package report_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/netpolltrace/netpolltrace/explain"
	"github.com/netpolltrace/netpolltrace/report"
	"github.com/netpolltrace/netpolltrace/wait"
)

// explained are options for a report as the report command makes it.
func explained(o report.Options) report.Options {
	o.Explain = func(next wait.Sink) report.Explainer { return explain.NewStage(next) }
	return o
}

// busyService is n waits of a service in the order of their ends, at random: by half
// of its goroutines for peers, by the others for each other.
func busyService(n int) []wait.Wait {
	random := rand.New(rand.NewPCG(3, 9))
	process := &wait.Process{Name: "api", PID: 7}
	stacks := []*wait.Stack{
		nil,
		{Funcs: "http.readLoop", Func: "http.readLoop", Line: "transport.go:1"},
		{Funcs: "main.a", Func: "main.a", Line: "a.go:1", Own: "main.a"},
		{Funcs: "main.b", Func: "main.b", Line: "b.go:1", Own: "main.b"},
	}
	reasons := []string{"select", "chan receive", "chan send", "sync.Mutex.Lock", wait.ReasonSleep}
	waits := make([]wait.Wait, n)
	for i := range waits {
		length := time.Duration(random.IntN(30)) * ms
		goid := 1 + random.IntN(30)
		var w wait.Wait
		switch goid % 4 {
		case 0:
			w = served(length, ms, ms)
		case 1:
			w = read(length, ms, 0)
			w.Idle = time.Duration(random.IntN(2)) * length / 2
		default:
			w = read(none, none, ms)
			w.Op, w.Role, w.Proto, w.Peer, w.Idle = "", "", "", "", none
			w.Reason, w.Blocked, w.Total = reasons[random.IntN(len(reasons))], length, length+ms
			w.WakerGoid = uint64(random.IntN(30))
		}
		w.Process, w.Goid, w.Stack = process, uint64(goid), stacks[goid%3+random.IntN(2)]
		w.Start = int64(time.Hour) + int64(i)*int64(ms) - int64(w.Total)
		waits[i] = w
	}
	return waits
}

// Nothing is counted twice, and nothing is left out without being counted: all waits
// are in the rows, what people are shown is what was awaited of the program's own,
// and its parts add up.
func TestTheFirstScreenAddsUp(t *testing.T) {
	waits := busyService(20_000)
	for name, options := range map[string]report.Options{
		"the first screen": {}, "by line": by(report.KeyLine), "with idle time": {Idle: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := build(t, explained(options), waits...).Table
			var all, shown, blocked, libraries time.Duration
			for _, w := range waits {
				all += w.Total
			}
			e := explain.New()
			for i := range waits {
				w := waits[i]
				x := e.Wait(&w)
				awaited := max(w.Awaited(), 0)
				switch {
				case options.Idle:
					shown += w.Total
					blocked += max(w.Blocked, 0)
				case x.Idle != "":
				case x.Library:
					libraries += awaited
				default:
					shown += awaited
					blocked += max(w.Blocked, 0)
				}
			}
			if s.Totals.All.Total != all || s.Totals.Shown.Total != shown {
				t.Errorf("of %v %v are shown, want %v and %v", s.Totals.All.Total, s.Totals.Shown.Total, all, shown)
			}
			if s.Libraries.Time > libraries || options.Idle != (s.Libraries.Waits == 0) {
				t.Errorf("%v of libraries stand apart, of %v", s.Libraries, libraries)
			}
			var causes time.Duration
			for _, row := range s.Rows {
				var sum time.Duration
				for _, c := range row.Causes {
					sum += c.Time
				}
				if sum != max(row.All.Blocked, 0) {
					t.Errorf("%q: causes are %v, blocked is %v", row.Key, sum, row.All.Blocked)
				}
				causes += sum
				n := row.Shown
				if parts := max(n.Network, 0) + max(n.Netpoll, 0) + max(n.Sched, 0) + max(n.Blocked, 0) + n.Unsplit; parts != n.Total {
					t.Errorf("%q: the parts shown are %v, the total %v", row.Key, parts, n.Total)
				}
			}
			if causes == 0 || s.Totals.Shown.Blocked >= blocked {
				t.Errorf("of %v blocked none was libraries'", blocked)
			}
		})
	}
}

// Windows together hold of the screen what one holds.
func TestTheFirstScreenByWindows(t *testing.T) {
	waits := busyService(5000)
	whole := build(t, explained(report.Options{}), waits...).Table
	parts := build(t, explained(report.Options{Window: 100 * ms}), waits...).Table
	if whole.Totals.Shown.Total != parts.Totals.Shown.Total || whole.Libraries != parts.Libraries || whole.Idle != parts.Idle {
		t.Errorf("by windows %+v %+v %+v,\nat once %+v %+v %+v", parts.Totals.Shown, parts.Libraries, parts.Idle, whole.Totals.Shown, whole.Libraries, whole.Idle)
	}
}

// Where libraries do all of the waiting, their waits are shown.
func TestLibrariesAlone(t *testing.T) {
	w := read(ms, ms, ms)
	w.Goid, w.Stack = 5, &wait.Stack{Funcs: "http.readLoop", Func: "http.readLoop", Line: "transport.go:1"}
	s := build(t, explained(report.Options{}), w).Table
	if s.Totals.Shown.Waits != 1 || s.Libraries.Waits != 0 {
		t.Errorf("%d waits are shown, %d stand apart", s.Totals.Shown.Waits, s.Libraries.Waits)
	}
}

func TestFilterByWhomItIsFor(t *testing.T) {
	filter, err := report.NewFilter(`for == "request"`)
	if err != nil {
		t.Fatal(err)
	}
	request, other := served(ms, 0, ms), read(ms, 0, 0)
	request.Goid, other.Goid = 5, 6
	r := build(t, explained(report.Options{Filter: filter}), request, other)
	if r.Table.Totals.All.Waits != 1 {
		t.Errorf("%d waits match", r.Table.Totals.All.Waits)
	}
}

// What a deadline ended had nothing from the network until then.
func TestTimeoutsAreOfTheNetwork(t *testing.T) {
	w := read(none, none, ms)
	w.Outcome, w.Blocked, w.Total = wait.OutcomeTimeout, 5*ms, 6*ms
	row := build(t, report.Options{}, w).Table.Rows[0]
	if row.Shown.Network != 5*ms || row.Shown.Blocked != 0 || row.All.Blocked != 5*ms {
		t.Errorf("shown %+v, all %+v", row.Shown, row.All)
	}
}

func TestOwnCodeOfAUser(t *testing.T) {
	library := &wait.Stack{
		Funcs: "github.com/acme/web.Run;github.com/acme/web.get;net.(*conn).Read", Lines: "web.go:1;get.go:2;net.go:3",
		Func: "github.com/acme/web.get", Line: "get.go:2",
	}
	meta := &wait.Meta{Targets: []wait.Target{{
		PID: 7, Modules: &wait.Modules{Own: []string{"github.com/acme/shop"}, Libraries: []string{"github.com/acme/web"}},
	}}}
	for _, test := range []struct {
		own        []string
		row, entry string
		hint       string
	}{
		{nil, "get.go:2", "", "github.com/acme"},
		{[]string{"github.com/acme"}, "get.go:2", "github.com/acme/web.Run", ""},
		{[]string{"github.com/other"}, "get.go:2", "", "github.com/acme"},
	} {
		b := builder(t, report.Options{By: []report.Key{report.KeyLine, report.KeyEntry}, Own: test.own})
		w := read(ms, ms, ms)
		w.Process, w.Stack = &wait.Process{PID: 7}, library
		if err := b.Begin(meta); err != nil {
			t.Fatal(err)
		}
		if err := b.Wait(&w); err != nil {
			t.Fatal(err)
		}
		s := reported(t, b).Table
		if got := s.Rows[0].Key; got[0] != test.row || got[1] != test.entry || s.OwnHint != test.hint {
			t.Errorf("--own %q: %q, hint %q, want %q of %q, hint %q", test.own, got, s.OwnHint, test.row, test.entry, test.hint)
		}
	}
}
