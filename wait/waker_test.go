package wait

import "testing"

func TestWhoEndedAWait(t *testing.T) {
	const park = 100
	for _, test := range []struct {
		name  string
		start string // function of the one that waited
		waker *Waker
		want  func(*Wait)
	}{
		{"nobody looked", "main.main", nil, func(*Wait) {}},
		{"no goroutine", "main.main", &Waker{Preempted: Unmeasured}, func(w *Wait) { w.ByTimer = true }},
		{"no goroutine, of the runtime's own", "runtime.runfinq", &Waker{Preempted: Unmeasured}, func(*Wait) {}},
		{"a goroutine", "main.main", &Waker{Goid: 7, PID: 3, Line: "a.go:1", ParentGoid: 1, Preempted: 5},
			func(w *Wait) {
				w.WakerGoid, w.WakerPID, w.WakerLine, w.WakerParentGoid, w.WakerPreempted = 7, 3, "a.go:1", 1, 5
			}},
		{"one that ran before", "main.main", &Waker{Goid: 7, Started: park, Preempted: Unmeasured},
			func(w *Wait) { w.WakerGoid = 7 }},
		{"one that started later", "main.main", &Waker{Goid: 7, Started: park + 2, Preempted: Unmeasured},
			func(w *Wait) { w.WakerGoid, w.WakerStarted = 7, 2 }},
		{"a timer on a goroutine", "main.main", &Waker{Goid: 7, RanTimer: true, Preempted: Unmeasured},
			func(w *Wait) { w.WakerGoid, w.ByTimer = 7, true }},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := Moments{Park: park, Runnable: 110, Resume: 120, Outcome: OutcomeReady, StartFunc: test.start,
				Reason: "finalizer wait", Waker: test.waker}
			var got Wait
			m.Wait(&got)
			m.Waker = nil
			var want Wait
			m.Wait(&want)
			test.want(&want)
			if got != want {
				t.Errorf("got\n%+v\nwant\n%+v", got, want)
			}
		})
	}
}

func TestADeadlineIsATimer(t *testing.T) {
	for outcome, want := range map[Outcome]bool{OutcomeTimeout: true, OutcomeReady: false, OutcomeClosed: false} {
		m := Moments{Park: 100, Resume: 120, Outcome: outcome, Endpoint: &Endpoint{FD: 3}}
		var w Wait
		m.Wait(&w)
		if w.ByTimer != want {
			t.Errorf("outcome %s: by timer %v, want %v", outcome, w.ByTimer, want)
		}
	}
}

func TestWhoRunsATimer(t *testing.T) {
	for funcs, want := range map[string]bool{
		"main.main;runtime.chanrecv1;runtime.chanrecv;runtime.(*timer).maybeRunChan;runtime.systemstack_switch": true,
		"main.main;runtime.chansend1;runtime.chansend;runtime.send;runtime.goready":                             false,
		"main.main;main.runtime.(*timers).runs":                                                                 false,
	} {
		if got := (&Stack{Funcs: funcs}).RunsTimer(); got != want {
			t.Errorf("%s: %v, want %v", funcs, got, want)
		}
	}
}
