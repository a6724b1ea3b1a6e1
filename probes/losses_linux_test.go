package probes_test

import (
	"slices"
	"testing"

	"github.com/netpolltrace/netpolltrace/internal/truth"
	"github.com/netpolltrace/netpolltrace/probes"
	"github.com/netpolltrace/netpolltrace/wait"
)

// balance holds what was delivered, and what was told to be lost, against what
// the kernel side counted.
func balance(t *testing.T, r *probes.Recorder, all *truth.Gather) probes.Counts {
	t.Helper()
	c, err := r.Counts()
	if err != nil {
		t.Fatal(err)
	}
	delivered, stillOpen := number(all, finished), number(all, open)
	if c.Ends != delivered+c.LostRing+c.StaleEnded {
		t.Errorf("%d waits ended, %d were delivered: %+v", c.Ends, delivered, c)
	}
	if begun := c.Parks + c.Adopted; begun != c.Ends+stillOpen+c.LostSlot+c.LostResume+c.NoGoid+c.StaleOpen {
		t.Errorf("%d waits were begun, %d are open: %+v", begun, stillOpen, c)
	}
	if lost := c.LostRing + c.LostSlot + c.LostResume + c.NoGoid; told(all, wait.EventLost) != lost {
		t.Errorf("%d waits are said to be lost, want %d: %+v", told(all, wait.EventLost), lost, c)
	}
	if incomplete := c.NoStackRoom + c.NoFDRoom + c.NoSocketRecord; told(all, wait.EventIncomplete) != incomplete {
		t.Errorf("%d waits are said to be incomplete, want %d: %+v", told(all, wait.EventIncomplete), incomplete, c)
	}
	return c
}

// runUntil lets the echo run until something is counted, or once if nothing is
// waited for.
func (p *target) runUntil(t *testing.T, r *probes.Recorder, place func(*probes.Counts) *uint64) {
	for {
		p.do(t, "run", "50ms")
		c, err := r.Counts()
		if err != nil {
			t.Fatal(err)
		}
		if place == nil || *place(&c) > 0 {
			return
		}
	}
}

func TestEachLossIsCountedAtItsPlace(t *testing.T) {
	for name, c := range map[string]struct {
		mode   wait.Mode
		shrink func(*probes.Limits)
		// lost is the count that the shrinking leads to; missing, if set, the
		// waits that are delivered without something, which must be as many.
		lost    func(*probes.Counts) *uint64
		missing func(*wait.Wait) bool
	}{
		"nothing, io":  {mode: wait.ModeIO, shrink: func(*probes.Limits) {}},
		"nothing, all": {mode: wait.ModeAll, shrink: func(*probes.Limits) {}},
		"ring buffer, io": {
			mode:   wait.ModeIO,
			shrink: func(o *probes.Limits) { o.RingBuffer = 4096 },
			lost:   func(c *probes.Counts) *uint64 { return &c.LostRing },
		},
		"ring buffer, all": {
			mode:   wait.ModeAll,
			shrink: func(o *probes.Limits) { o.RingBuffer = 4096 },
			lost:   func(c *probes.Counts) *uint64 { return &c.LostRing },
		},
		"goroutines": {
			mode:   wait.ModeAll,
			shrink: func(o *probes.Limits) { o.MaxGoroutines = 4 },
			lost:   func(c *probes.Counts) *uint64 { return &c.LostSlot },
		},
		"descriptors": {
			mode:    wait.ModeIO,
			shrink:  func(o *probes.Limits) { o.MaxFDs = 4 },
			lost:    func(c *probes.Counts) *uint64 { return &c.NoFDRoom },
			missing: func(w *wait.Wait) bool { return w.Reason == wait.ReasonIO && w.FD < 0 },
		},
		"stacks": {
			mode:    wait.ModeIO,
			shrink:  func(o *probes.Limits) { o.MaxStacks = 1 },
			lost:    func(c *probes.Counts) *uint64 { return &c.NoStackRoom },
			missing: func(w *wait.Wait) bool { return w.Stack == nil },
		},
	} {
		t.Run(name, func(t *testing.T) {
			program := launch(t, "echo")
			limits := probes.DefaultLimits()
			c.shrink(&limits)
			r := program.attach(t, c.mode, limits, false)
			all := deliver(t, r, func() { program.runUntil(t, r, c.lost) })
			counted := balance(t, r, all)
			if number(all, finished) == 0 {
				t.Error("no wait was delivered")
			}
			var lost uint64
			if c.lost != nil {
				if counted.LostRing > 0 {
					counted.NoSocketRecord = 0 // descriptions are records too
				}
				place := c.lost(&counted)
				lost, *place = *place, 0
			}
			if c.missing != nil && number(all, c.missing) != lost {
				t.Errorf("%d waits lack it, %d are counted", number(all, c.missing), lost)
			}
			if rest := counted.LostRing + counted.LostSlot + counted.LostResume + counted.NoGoid +
				counted.NoStackRoom + counted.NoFDRoom + counted.NoSocketRecord; rest != 0 {
				t.Errorf("something else is counted too: %+v", counted)
			}
		})
	}
}

// stuck is a sink that takes nothing until it is let go.
type stuck struct {
	truth.Gather
	letGo chan struct{}
}

func (s *stuck) Wait(w *wait.Wait) error {
	<-s.letGo
	return s.Gather.Wait(w)
}

func TestAnExecIsSeenThoughItsRecordIsLost(t *testing.T) {
	program := launch(t, "lifecycle")
	limits := probes.DefaultLimits()
	limits.RingBuffer = 4096
	r := program.attach(t, wait.ModeIO, limits, false)
	sink := stuck{letGo: make(chan struct{})}
	ended := make(chan error, 1)
	go func() { ended <- r.Run(t.Context(), &sink) }()
	for full := false; !full; {
		c, err := r.Counts()
		if err != nil {
			t.Fatal(err)
		}
		full = c.LostRing > 0
	}
	if err := program.Send("exec"); err != nil {
		t.Fatal(err)
	}
	if _, err := program.Expect("ready"); err != nil {
		t.Fatal(err)
	}
	close(sink.letGo)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if states := statesOf(&sink.Gather, program.PID()); !slices.Equal(states, []wait.TargetState{wait.TargetExec}) {
		t.Errorf("of the target it was told that it %v, want %v", states, wait.TargetExec)
	}
}
