package session

import (
	"context"
	"fmt"
	"time"

	"github.com/netpolltrace/netpolltrace/wait"
)

// guardInterval is how often the price of the probes is held against what the
// processes use, and patience for how many intervals on end it may be too high.
const (
	guardInterval = time.Second
	patience      = 3
)

// NotKnown is a share that was not measured.
const NotKnown = -1

// Progress is how a recording is getting on.
type Progress struct {
	Elapsed   time.Duration
	Delivered uint64  // waits so far
	PerSecond float64 // in the last second
	Lost      uint64
	// Overhead is the share of the CPU time of all processes in the last three
	// seconds that the probes took; NotKnown if it could not be measured.
	Overhead  float64
	Processes []ProcessProgress // that are recorded now, in the order in which they joined
}

// ProcessProgress is how the recording of one process is getting on.
type ProcessProgress struct {
	Process  *wait.Process
	Overhead float64 // as in [Progress]
	// OverBudget: above MaxOverhead for three seconds on end, or throughout a shorter
	// recording.
	OverBudget bool
}

// guard holds what the probes cost each process against what they may.
type guard struct {
	source wait.Source
	config *Config
	began  time.Time
	// readings are those of the last intervals, the oldest first. Hits are
	// counted and CPU time is read at moments of their own, so that on a busy
	// machine the share of a single interval says little.
	readings []reading
	over     map[*wait.Process]int // for how many intervals on end
}

// reading is the figures of a recording at a moment.
type reading struct {
	at    time.Time
	stats wait.Stats
}

func newGuard(source wait.Source, config *Config) *guard {
	return &guard{source: source, config: config, began: source.Meta().Started, over: make(map[*wait.Process]int)}
}

// run tells the user how the recording gets on, and marks it where it costs a
// process more than was allowed, until the context ends. Errors are the sink's.
func (g *guard) run(ctx context.Context, sink wait.Sink) error {
	ticks := time.NewTicker(guardInterval)
	defer ticks.Stop()
	g.read()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticks.C:
		}
		g.read()
		progress := g.progress()
		if err := g.judge(&progress, sink); err != nil {
			return err
		}
		if g.config.Progress != nil {
			g.config.Progress(progress)
		}
	}
}

func (g *guard) read() {
	g.readings = append(g.readings, reading{at: time.Now(), stats: g.source.Stats()})
	g.readings = g.readings[max(0, len(g.readings)-patience-1):]
}

// progress is what the last readings say.
func (g *guard) progress() Progress {
	now, before := g.readings[len(g.readings)-1], g.readings[max(0, len(g.readings)-2)]
	p := Progress{
		Elapsed: now.at.Sub(g.began), Delivered: now.stats.Delivered, Lost: now.stats.Lost,
		PerSecond: float64(now.stats.Delivered-before.stats.Delivered) / max(now.at.Sub(before.at), 1).Seconds(),
	}
	var all usage
	for i := range now.stats.Processes {
		process := now.stats.Processes[i].Process
		used := g.usage(process)
		all.cost, all.cpu = all.cost+used.cost, all.cpu+used.cpu
		p.Processes = append(p.Processes, ProcessProgress{Process: process, Overhead: used.share()})
	}
	p.Overhead = all.share()
	return p
}

// usage is what the probes took of a process's CPU time.
type usage struct{ cost, cpu time.Duration }

func (u usage) share() float64 {
	if u.cpu <= 0 {
		return NotKnown
	}
	return float64(u.cost) / float64(u.cpu)
}

// usage is that of the last readings that have the process; zero if it is not
// known. Hits are counted up to a second after the waits come in that they are
// of: that there are none yet is believed from the third reading on.
func (g *guard) usage(p *wait.Process) usage {
	var figures []*wait.ProcessStats
	for i := range g.readings {
		if s := statsOf(&g.readings[i].stats, p); s != nil && s.CPU != wait.Unmeasured {
			figures = append(figures, s)
		}
	}
	if len(figures) == 0 {
		return usage{}
	}
	first, last := figures[0], figures[len(figures)-1]
	if last.Hits == 0 && len(figures) < patience {
		return usage{}
	}
	return usage{cost: last.Cost - first.Cost, cpu: last.CPU - first.CPU}
}

func statsOf(stats *wait.Stats, p *wait.Process) *wait.ProcessStats {
	for i := range stats.Processes {
		if stats.Processes[i].Process == p {
			return &stats.Processes[i]
		}
	}
	return nil
}

// judge marks the processes that are over budget, and says so once each time
// that one gets there.
func (g *guard) judge(progress *Progress, sink wait.Sink) error {
	for i := range progress.Processes {
		p := &progress.Processes[i]
		if !g.exceeds(p) {
			delete(g.over, p.Process)
			continue
		}
		g.over[p.Process]++
		p.OverBudget = g.over[p.Process] >= patience
		if g.over[p.Process] != patience {
			continue
		}
		if err := sink.Event(g.kept(p)); err != nil {
			return err
		}
	}
	return nil
}

// exceeds tells whether the probes take more of a process's CPU time than they may.
func (g *guard) exceeds(p *ProcessProgress) bool {
	return g.config.MaxOverhead > 0 && p.Overhead > g.config.MaxOverhead
}

// conclude judges, at its end, a recording that was too short for patience.
func (g *guard) conclude(sink wait.Sink) error {
	if len(g.readings) > patience {
		return nil
	}
	g.read()
	progress := g.progress()
	over := false
	for i := range progress.Processes {
		p := &progress.Processes[i]
		if p.OverBudget = g.exceeds(p); !p.OverBudget {
			continue
		}
		over = true
		if err := sink.Event(g.kept(p)); err != nil {
			return err
		}
	}
	if over && g.config.Progress != nil {
		g.config.Progress(progress)
	}
	return nil
}

// kept is the event of a mode that is kept although it is over budget.
func (g *guard) kept(p *ProcessProgress) *wait.Event {
	mode := statsOf(&g.readings[len(g.readings)-1].stats, p.Process).Mode
	return &wait.Event{
		Kind: wait.EventMode, Start: time.Now().UnixNano(), Duration: wait.Unmeasured, Count: 1, Process: p.Process,
		Note: fmt.Sprintf("mode %s was kept although the probes cost %.1f %% of the target's CPU time, more than --max-overhead %.1f %%",
			mode, 100*p.Overhead, 100*g.config.MaxOverhead),
		Detail: &wait.ModeChange{Mode: mode},
	}
}
