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
				s.meta.Mode, 100*progress.Overhead, 100*s.config.MaxOverhead)))
		}
		if s.config.Progress != nil {
			s.config.Progress(progress)
		}
	}
}

// meter turns running totals into figures of the last interval.
type meter struct {
	session *Session
	at      time.Time
	stats   probes.Stats
	cpu     time.Duration
}

func (m *meter) read() Progress {
	now, stats := time.Now(), m.session.recorder.Stats()
	p := Progress{
		Elapsed: now.Sub(m.session.began), Delivered: stats.Delivered, Lost: stats.Lost, Overhead: -1,
		PerSecond: float64(stats.Delivered-m.stats.Delivered) / now.Sub(m.at).Seconds(),
	}
	cpu, err := m.session.process.CPUTime()
	if used := cpu - m.cpu; err == nil && used > 0 {
		p.Overhead = float64(stats.Cost-m.stats.Cost) / float64(used)
	}
	m.at, m.stats, m.cpu = now, stats, cpu
	return p
}
