package session

import (
	"context"
	"fmt"
	"time"

	"github.com/netpolltrace/netpolltrace/probes"
	"github.com/netpolltrace/netpolltrace/wait"
)

// guardInterval is how often the price of the probes is held against what the
// target uses, and patience for how many intervals on end it may be too high.
const (
	guardInterval = time.Second
	patience      = 3
)

// guard watches what the probes cost the target, tells the user, and marks the
// recording where it is more than was allowed.
func (s *Session) guard(ctx context.Context, sink wait.Sink) {
	ticks := time.NewTicker(guardInterval)
	defer ticks.Stop()
	meter := meter{session: s}
	meter.read()
	over := 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
		progress := meter.read()
		if s.config.MaxOverhead > 0 && progress.Overhead > s.config.MaxOverhead {
			over++
		} else {
			over = 0
		}
		progress.OverBudget = over >= patience
		if over == patience {
			// The sink's errors end the recording from where the waits come in.
			_ = sink.Event(s.event(wait.EventMode, wait.Unmeasured, fmt.Sprintf(
				"mode %s was kept although the probes cost %.1f %% of the target's CPU time, more than --max-overhead %.1f %%",
				s.meta.Targets[0].Mode, 100*progress.Overhead, 100*s.config.MaxOverhead)))
		}
		if s.config.Progress != nil {
			s.config.Progress(progress)
		}
	}
}

// meter turns running totals into figures of the last intervals.
type meter struct {
	session *Session
	// last are the readings of the last intervals, the oldest first. Hits are
	// counted and CPU time is read at moments of their own, so that on a busy
	// machine the share of a single interval says little.
	last []reading
}

type reading struct {
	at    time.Time
	stats probes.Stats
	cpu   time.Duration // -1 if it could not be read
}

func (m *meter) read() Progress {
	now := reading{at: time.Now(), stats: m.session.recorder.Stats(), cpu: -1}
	if cpu, err := m.session.process.CPUTime(); err == nil {
		now.cpu = cpu
	}
	m.last = append(m.last, now)
	m.last = m.last[max(0, len(m.last)-patience-1):]
	before, first := m.last[max(0, len(m.last)-2)], m.last[0]
	p := Progress{
		Elapsed: now.at.Sub(m.session.began), Delivered: now.stats.Delivered, Lost: now.stats.Lost, Overhead: -1,
		PerSecond: float64(now.stats.Delivered-before.stats.Delivered) / max(now.at.Sub(before.at), 1).Seconds(),
	}
	counted := now.stats.Hits > 0 || now.stats.Delivered == 0 // the first count comes later than the first waits
	if used := now.cpu - first.cpu; counted && now.cpu >= 0 && first.cpu >= 0 && used > 0 {
		p.Overhead = float64(now.stats.Cost-first.stats.Cost) / float64(used)
	}
	return p
}
