package session_test

import (
	"context"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/netpolltrace/netpolltrace/session"
	"github.com/netpolltrace/netpolltrace/wait"
)

// expensive is a source of two processes, of which each uses a tenth of a CPU.
// The probes take a tenth of that of the shop's, and a hundredth of the
// store's.
func expensive() *source {
	return &source{stats: func(elapsed time.Duration) wait.Stats {
		return wait.Stats{
			Delivered: uint64(100 * elapsed / time.Second),
			Processes: []wait.ProcessStats{
				{Process: shop, Mode: wait.ModeAll, Hits: 1, CPU: elapsed / 10, Cost: elapsed / 100},
				{Process: store, Mode: wait.ModeIO, Hits: 1, CPU: elapsed / 10, Cost: elapsed / 1000},
			},
		}
	}}
}

// follow records for a time and returns what the user was shown, once a second.
func follow(t *testing.T, s *source, config session.Config, sink wait.Sink) []session.Progress {
	t.Helper()
	var shown []session.Progress
	config.Progress = func(p session.Progress) { shown = append(shown, p) }
	if err := session.Run(context.Background(), s.begun(), sink, config); err != nil {
		t.Fatal(err)
	}
	return shown
}

func near(a, b float64) bool { return math.Abs(a-b) < 1e-9 }

func TestTheUserIsShownWhatARecordingCosts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shown := follow(t, expensive(), session.Config{Duration: 2500 * time.Millisecond}, new(log))
		if len(shown) != 2 {
			t.Fatalf("the user was shown %+v, want two times", shown)
		}
		p := shown[1]
		if p.Elapsed != 2*time.Second || p.Delivered != 200 || !near(p.PerSecond, 100) {
			t.Errorf("after two seconds: %+v", p)
		}
		// Both together: 0.011 s in 0.2 s.
		if !near(p.Overhead, 0.055) || len(p.Processes) != 2 || !near(p.Processes[0].Overhead, 0.1) || !near(p.Processes[1].Overhead, 0.01) {
			t.Errorf("the cost is told as %+v", p)
		}
	})
}

func TestAModeThatIsKeptOverBudgetIsMarkedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said log
		shown := follow(t, expensive(), session.Config{Duration: 6500 * time.Millisecond, MaxOverhead: 0.05}, &said)
		said.check(t, "shop mode", "end after 6.5s")
		for i, p := range shown {
			if over := i >= 2; p.Processes[0].OverBudget != over || p.Processes[1].OverBudget {
				t.Errorf("after %d s: %+v; want the first over budget: %t", i+1, p.Processes, over)
			}
		}
	})
}

func TestAShortRecordingIsJudgedAtItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said log
		shown := follow(t, expensive(), session.Config{Duration: 1500 * time.Millisecond, MaxOverhead: 0.05}, &said)
		said.check(t, "shop mode", "end after 1.5s")
		if len(shown) != 2 || shown[0].Processes[0].OverBudget || !shown[1].Processes[0].OverBudget || shown[1].Processes[1].OverBudget {
			t.Errorf("the user was shown %+v; want the first process over budget at the end", shown)
		}
	})
}

func TestWithoutALimitNothingIsOverBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said log
		follow(t, expensive(), session.Config{Duration: 6 * time.Second}, &said)
		said.check(t, "end after 6s")
	})
}

func TestACostThatIsNotKnownIsNotShown(t *testing.T) {
	for name, c := range map[string]struct {
		stats wait.ProcessStats
		cpu   func(elapsed time.Duration) time.Duration
		want  []float64 // a second each
	}{
		"no CPU time can be read": {
			wait.ProcessStats{Hits: 1}, func(time.Duration) time.Duration { return wait.Unmeasured },
			[]float64{session.NotKnown, session.NotKnown, session.NotKnown},
		},
		"it used none": {
			wait.ProcessStats{Hits: 1}, func(time.Duration) time.Duration { return time.Second },
			[]float64{session.NotKnown, session.NotKnown, session.NotKnown},
		},
		"the first hits are not counted yet": {
			wait.ProcessStats{}, func(elapsed time.Duration) time.Duration { return elapsed },
			[]float64{session.NotKnown, 0, 0},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &source{stats: func(elapsed time.Duration) wait.Stats {
					p := c.stats
					p.Process, p.CPU = shop, c.cpu(elapsed)
					return wait.Stats{Processes: []wait.ProcessStats{p}}
				}}
				shown := follow(t, s, session.Config{Duration: 3500 * time.Millisecond}, new(log))
				for i, p := range shown {
					if p.Overhead != c.want[i] || p.Processes[0].Overhead != c.want[i] {
						t.Errorf("after %d s it is said to cost %v, want %v", i+1, p.Overhead, c.want[i])
					}
				}
			})
		})
	}
}
