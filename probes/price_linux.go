package probes

import (
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// Price is what the probes cost the target, per hit.
type Price struct {
	// Trap is one hit of a uprobe that does nothing, on an emulated instruction.
	Trap time.Duration
	// Uprobe and Hook are the average run of a program, at a uprobe and in the
	// kernel; 0 until they were timed, and where they cannot be (timing them
	// needs CAP_SYS_ADMIN).
	Uprobe, Hook time.Duration
}

// String says the price in words, for a recording's notes.
func (p Price) String() string {
	return fmt.Sprintf("trap_ns=%d uprobe_ns=%d hook_ns=%d", p.Trap, p.Uprobe, p.Hook)
}

// of is the cost of all hits that were counted.
func (p Price) of(c *counts) time.Duration {
	return time.Duration(c.sum(uprobeHits))*(p.Trap+p.Uprobe) + time.Duration(c.sum(kernelHits))*p.Hook
}

// The calibration: short rounds, of which the quickest counts, since whatever
// else runs on the machine only adds to them.
const (
	calibrationRounds = 5
	calibrationCalls  = 2000
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
		err = fmt.Errorf("calibrating the price of a probe: %w", err)
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
	spec := &ebpf.ProgramSpec{
		Name: "npt_calibrate", Type: ebpf.Kprobe, License: "Dual BSD/GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()},
	}
	if plan.multi {
		spec.AttachType = ebpf.AttachTraceUprobeMulti
	}
	program, err := ebpf.NewProgram(spec)
	if err != nil {
		return 0, firstCause(err)
	}
	defer program.Close()
	bare := timeCalls()
	attached, err := plan.uprobe(exe, program, offset, os.Getpid())
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
			probed(n)
		}
		rounds[i] = time.Since(start) / calibrationCalls
	}
	return slices.Min(rounds)
}

// timing is the timing of the programs, which costs a little itself and so
// lasts only until each that runs has run.
type timing struct{ stats io.Closer }

// startTiming has the kernel time all programs; where it does not let us, the
// price is that of the traps alone.
func startTiming() timing {
	stats, err := ebpf.EnableStats(uint32(unix.BPF_STATS_RUN_TIME))
	if err != nil {
		return timing{}
	}
	return timing{stats}
}

// finish stops the timing and completes the price.
func (t *timing) finish(price *Price, uprobes, hooks []*ebpf.Program) {
	if t.stats == nil {
		return
	}
	price.Uprobe, price.Hook = meanRun(uprobes), meanRun(hooks)
	if price.Uprobe == 0 {
		return // nothing happened yet
	}
	_ = t.stop() // a descriptor that does not close has nothing to say to a user
}

func (t *timing) stop() error {
	if t.stats == nil {
		return nil
	}
	stats := t.stats
	t.stats = nil
	return stats.Close()
}

// meanRun is the average run of the programs.
func meanRun(programs []*ebpf.Program) time.Duration {
	var runs uint64
	var total time.Duration
	for _, p := range programs {
		stats, err := p.Stats()
		if err != nil {
			continue
		}
		runs += stats.RunCount
		total += stats.Runtime
	}
	if runs == 0 {
		return 0
	}
	return total / time.Duration(runs)
}
