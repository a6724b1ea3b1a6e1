package report_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/netpolltrace/netpolltrace/report"
	"github.com/netpolltrace/netpolltrace/wait"
)

// Who was recorded from when to when, and in which modes.
func TestTargets(t *testing.T) {
	const io, all = wait.ModeIO, wait.ModeAll
	api := wait.Target{Exe: "/app/api", PID: 1, Mode: io}
	worker := wait.Target{Exe: "/app/worker", PID: 2, Mode: all}
	process := func(pid int32) *wait.Process { return &wait.Process{PID: pid} }
	at := func(after time.Duration, p *wait.Process, detail wait.Detail) wait.Event {
		e := wait.Event{Start: start.Add(after).UnixNano(), Duration: none, Process: p, Detail: detail, Kind: wait.EventMode}
		if detail != nil {
			e.Kind = detail.EventKind()
		}
		return e
	}
	became := func(state wait.TargetState) *wait.TargetChange { return &wait.TargetChange{State: state} }
	joined := &wait.TargetChange{State: wait.TargetJoined, Target: &worker}
	to := func(m wait.Mode) *wait.ModeChange { return &wait.ModeChange{Mode: m} }
	// spans of modes, as from, to, in seconds
	span := func(m wait.Mode, from, to time.Duration) report.ModeSpan {
		return report.ModeSpan{Mode: m, From: from * time.Second, To: to * time.Second}
	}
	type want struct {
		exe          string
		joined, left time.Duration
		modes        []report.ModeSpan
	}
	tests := []struct {
		name   string
		events []wait.Event
		want   []want
	}{
		{"one mode", nil, []want{{"/app/api", 0, none, []report.ModeSpan{span(io, 0, 10)}}}},
		{"more, then less", []wait.Event{at(3*time.Second, process(1), to(all)), at(4*time.Second, process(1), to(io))},
			[]want{{"/app/api", 0, none, []report.ModeSpan{span(io, 0, 3), span(all, 3, 4), span(io, 4, 10)}}}},
		{"a mode that is kept", []wait.Event{at(3*time.Second, process(1), to(io))},
			[]want{{"/app/api", 0, none, []report.ModeSpan{span(io, 0, 10)}}}},
		{"a mode that did not last", []wait.Event{at(0, process(1), to(all))},
			[]want{{"/app/api", 0, none, []report.ModeSpan{span(all, 0, 10)}}}},
		{"another's mode", []wait.Event{at(3*time.Second, process(7), to(all))},
			[]want{{"/app/api", 0, none, []report.ModeSpan{span(io, 0, 10)}}}},
		{"words alone", []wait.Event{at(3*time.Second, process(1), nil)},
			[]want{{"/app/api", 0, none, []report.ModeSpan{span(io, 0, 10)}}}},
		{"the second joins and the first is gone", []wait.Event{at(2*time.Second, process(2), joined), at(5*time.Second, process(1), became(wait.TargetExited))},
			[]want{
				{"/app/api", 0, 5 * time.Second, []report.ModeSpan{span(io, 0, 5)}},
				{"/app/worker", 2 * time.Second, none, []report.ModeSpan{span(all, 2, 10)}},
			}},
		{"both change", []wait.Event{at(2*time.Second, process(2), joined), at(5*time.Second, nil, to(io))},
			[]want{
				{"/app/api", 0, none, []report.ModeSpan{span(io, 0, 10)}},
				{"/app/worker", 2 * time.Second, none, []report.ModeSpan{span(all, 2, 5), span(io, 5, 10)}},
			}},
		{"a process that starts itself again", []wait.Event{
			at(2*time.Second, process(2), joined), at(3*time.Second, process(2), became(wait.TargetExec)), at(4*time.Second, process(2), joined)},
			[]want{
				{"/app/api", 0, none, []report.ModeSpan{span(io, 0, 10)}},
				{"/app/worker", 2 * time.Second, 3 * time.Second, []report.ModeSpan{span(all, 2, 3)}},
				{"/app/worker", 4 * time.Second, none, []report.ModeSpan{span(all, 4, 10)}},
			}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b, err := report.NewBuilder(report.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if err := b.Begin(&wait.Meta{Targets: []wait.Target{api}, Started: start}); err != nil {
				t.Fatal(err)
			}
			end := wait.Event{Kind: wait.EventEnd, Start: start.Add(10 * time.Second).UnixNano(), Duration: 10 * time.Second}
			for _, e := range append(test.events, end) {
				record{event: &e}.add(t, b)
			}
			var got []want
			for _, target := range reported(t, b).Targets {
				got = append(got, want{target.Exe, target.Joined, target.Left, target.Modes})
			}
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("got  %+v\nwant %+v", got, test.want)
			}
		})
	}
}

// Changes are those of the recording in which they came, and costs those of the
// process of which they are said.
func TestTargetsOfSeveralRecordings(t *testing.T) {
	b, err := report.NewBuilder(report.Options{Window: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	for i, mode := range []wait.Mode{wait.ModeIO, wait.ModeAll} {
		began := start.Add(time.Duration(i) * time.Hour)
		meta := wait.Meta{Started: began, Targets: []wait.Target{{Exe: "/app/api", PID: 1, Mode: mode}, {Exe: "/app/worker", PID: 2, Mode: mode}}}
		if err := b.Begin(&meta); err != nil {
			t.Fatal(err)
		}
		for _, e := range []wait.Event{
			{Kind: wait.EventOverhead, Duration: time.Duration(i+1) * ms, Process: &wait.Process{PID: 1}},
			{Kind: wait.EventCPU, Duration: 100 * ms, Process: &wait.Process{PID: 1}},
			{Kind: wait.EventEnd, Duration: 10 * time.Second},
		} {
			e.Start = began.Add(time.Second).UnixNano()
			record{event: &e}.add(t, b)
		}
	}
	want := []report.Target{
		{Overhead: 1, Modes: []report.ModeSpan{{Mode: wait.ModeIO, To: 10 * time.Second}}},
		{Overhead: -1, Modes: []report.ModeSpan{{Mode: wait.ModeIO, To: 10 * time.Second}}},
		{Recording: 1, Overhead: 2, Modes: []report.ModeSpan{{Mode: wait.ModeAll, To: 10 * time.Second}}},
		{Recording: 1, Overhead: -1, Modes: []report.ModeSpan{{Mode: wait.ModeAll, To: 10 * time.Second}}},
	}
	got := reported(t, b)
	for i := range got.Targets {
		got.Targets[i].Target, want[i].Left = wait.Target{}, none
	}
	if !reflect.DeepEqual(got.Targets, want) {
		t.Errorf("got  %+v\nwant %+v", got.Targets, want)
	}
	if got.Events.Seconds != 20 || got.Events.Overhead != 1.5 {
		t.Errorf("together: %+v", got.Events)
	}
}

// A recording shorter than the interval of the readings can have a cost above all
// of the CPU time that was read, or the CPU time of one process only.
func TestCostOfReadingsThatDoNotBelongTogether(t *testing.T) {
	srv, cli := &wait.Process{Name: "srv", PID: 1}, &wait.Process{Name: "cli", PID: 2}
	for _, test := range []struct {
		name   string
		events []wait.Event
		want   float64
	}{
		{"more than all", []wait.Event{
			{Kind: wait.EventOverhead, Duration: 20 * ms, Process: srv}, {Kind: wait.EventCPU, Duration: 10 * ms, Process: srv},
		}, -1},
		{"one of two", []wait.Event{
			{Kind: wait.EventOverhead, Duration: 80 * ms, Process: srv},
			{Kind: wait.EventOverhead, Duration: 1 * ms, Process: cli}, {Kind: wait.EventCPU, Duration: 100 * ms, Process: cli},
		}, 1},
	} {
		b, err := report.NewBuilder(report.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for i := range test.events {
			if err := b.Event(&test.events[i]); err != nil {
				t.Fatal(err)
			}
		}
		r, err := b.Report()
		if err != nil {
			t.Fatal(err)
		}
		if r.Events.Overhead != test.want {
			t.Errorf("%s: %g %%, want %g", test.name, r.Events.Overhead, test.want)
		}
	}
}
