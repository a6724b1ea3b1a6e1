package probes

import (
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/netpolltrace/netpolltrace/wait"
)

// costOf is what all hits that were counted cost at a price.
func costOf(p wait.Price, c *counts) time.Duration {
	return time.Duration(c.sum(uprobeHits))*(p.Trap+p.Uprobe) + time.Duration(c.sum(kernelHits))*p.Hook
}

// The calibration: rounds of which the fastest counts, since whatever else runs on
// the machine only adds to them. A round is shorter than the turn that a thread gets
// on a busy processor, so that some are not interrupted.
const (
	calibrationRounds = 100
	calibrationCalls  = 100
)

// calibration is what a hit of a uprobe was found to cost.
type calibration struct {
	trap time.Duration
	err  error
}

// calibrate measures the price of a hit on a function of our own process.
func calibrate(plan *Plan) calibration {
	trap, err := measureTrap(plan)
	if err != nil {
		err = fmt.Errorf("measuring the cost of a probe: %w", err)
	}
	return calibration{trap, err}
}

func measureTrap(plan *Plan) (time.Duration, error) {
	exe, err := link.OpenExecutable("/proc/self/exe")
	if err != nil {
		return 0, err
	}
	offset, err := probedPlace()
	if err != nil {
		return 0, err
	}
	spec := &ebpf.ProgramSpec{Type: ebpf.Kprobe}
	if plan.multi {
		spec.AttachType = ebpf.AttachTraceUprobeMulti
	}
	program, err := emptyProgram(spec)
	if err != nil {
		return 0, err
	}
	defer program.Close()
	bare := timeCalls()
	attached, err := plan.attachUprobe(exe, program, uprobeAt{offset: offset, pid: os.Getpid()})
	if err != nil {
		return 0, firstCause(err)
	}
	trapped := timeCalls()
	return max(trapped-bare, 1), attached.Close()
}

// timeCalls is how long a call of probed takes.
func timeCalls() time.Duration {
	rounds := make([]time.Duration, calibrationRounds)
	for i := range rounds {
		start := time.Now()
		for n := range calibrationCalls {
			//lint:ignore SA4017 what matters is that it is called
			probed(n)
		}
		rounds[i] = time.Since(start) / calibrationCalls
	}
	return slices.Min(rounds)
}

// timing has the kernel time the programs for a while. A uprobe's program can
// be preempted, and is charged for it, so that on a busy machine the mean says
// more about the machine: of several short windows the lowest mean counts.
type timing struct {
	stats   io.Closer // nil when it is over, or not possible
	windows int
	uprobes window
	hooks   window
}

// window is the timing of some programs.
type window struct {
	programs []*ebpf.Program
	runs     uint64
	runtime  time.Duration
	lowest   time.Duration // mean of a window so far; 0 for none yet
}

// The timing costs a little itself, and so ends after enough windows in which
// something happened. A window with few runs is made part of the next.
const (
	timingWindows = 40
	runsPerWindow = 20
)

// startTiming has the kernel time all programs; where it does not let us, the
// price is that of the traps alone.
func startTiming(uprobes, hooks []*ebpf.Program) timing {
	t := timing{uprobes: window{programs: uprobes}, hooks: window{programs: hooks}}
	if stats, err := ebpf.EnableStats(uint32(unix.BPF_STATS_RUN_TIME)); err == nil {
		t.stats = stats
	}
	return t
}

// sample ends a window and completes the price.
func (t *timing) sample(price *wait.Price) {
	if t.stats == nil {
		return
	}
	t.hooks.sample()
	if t.uprobes.sample() {
		t.windows++
	}
	price.Uprobe, price.Hook = t.uprobes.lowest, t.hooks.lowest
	if t.windows == timingWindows {
		_ = t.stop() // a descriptor that does not close has nothing to say to a user
	}
}

func (t *timing) stop() error {
	if t.stats == nil {
		return nil
	}
	stats := t.stats
	t.stats = nil
	return stats.Close()
}

// sample tells whether enough happened since the last window.
func (w *window) sample() bool {
	var runs uint64
	var runtime time.Duration
	for _, p := range w.programs {
		// A program that cannot be asked is left out.
		if stats, err := p.Stats(); err == nil {
			runs += stats.RunCount
			runtime += stats.Runtime
		}
	}
	if runs < w.runs+runsPerWindow {
		return false
	}
	mean := (runtime - w.runtime) / time.Duration(runs-w.runs)
	if w.lowest == 0 || mean < w.lowest {
		w.lowest = mean
	}
	w.runs, w.runtime = runs, runtime
	return true
}
