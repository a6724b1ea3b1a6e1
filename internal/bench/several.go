package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/netpolltrace/netpolltrace/internal/testprogram"
)

const (
	// furtherProcesses are recorded besides one.
	furtherProcesses = 10
	mostFurther      = 3 // MiB for each of them
	mostSecond       = 100 * time.Millisecond
)

// severalCosts are what further processes cost, one figure a round.
type severalCosts struct {
	first, second []float64 // milliseconds to attach
	one, all      []float64 // MiB of the tracer
	further       []float64 // MiB for each further process
}

// measureSeveral measures what each further process costs a recording: how long
// it takes to attach to it, and how much memory the tracer has for it.
func measureSeveral(ctx context.Context, l *lab) (text string, goals []goal, err error) {
	programs, err := l.startSeveral(ctx, 1+furtherProcesses)
	defer func() { err = errors.Join(err, closeSeveral(programs)) }()
	if err != nil {
		return "", nil, err
	}
	var costs severalCosts
	for round := range l.rounds {
		if err := costs.measure(ctx, l, programs); err != nil {
			return "", nil, err
		}
		fmt.Fprintf(os.Stderr, "round %d: the second attached in %.0f ms, %.1f MiB a further process\n",
			round+1, costs.second[round], costs.further[round])
	}
	return costs.table(), costs.goals(), nil
}

// startSeveral starts ping-pongs. Those that were started are returned with an
// error, too.
func (l *lab) startSeveral(ctx context.Context, n int) ([]*testprogram.Process, error) {
	var programs []*testprogram.Process
	for range n {
		echo, err := l.startEcho(ctx, l.conns)
		if err != nil {
			return programs, err
		}
		programs = append(programs, echo)
	}
	return programs, nil
}

func closeSeveral(programs []*testprogram.Process) error {
	var errs []error
	for _, p := range programs {
		errs = append(errs, p.Close())
	}
	return errors.Join(errs...)
}

func (c *severalCosts) measure(ctx context.Context, l *lab, programs []*testprogram.Process) error {
	took, err := timeOpening(ctx, programs[0].PID(), programs[1].PID())
	if err != nil {
		return err
	}
	c.first, c.second = append(c.first, milliseconds(took[0])), append(c.second, milliseconds(took[1]))
	one, err := l.memoryOfSeveral(ctx, programs[:1])
	if err != nil {
		return err
	}
	all, err := l.memoryOfSeveral(ctx, programs)
	if err != nil {
		return err
	}
	c.one, c.all = append(c.one, one), append(c.all, all)
	c.further = append(c.further, (all-one)/furtherProcesses)
	return nil
}

// memoryOfSeveral is the memory, in MiB, that the tracer has when it has recorded
// programs of which each was busy in its turn. Its peak would not tell them
// apart: that comes earlier, when it reads the executable.
func (l *lab) memoryOfSeveral(ctx context.Context, programs []*testprogram.Process) (float64, error) {
	dir, remove, err := l.folder()
	if err != nil {
		return 0, err
	}
	defer remove()
	o := record("io")(scene{tool: l.tool, exe: l.echo, pid: programs[0].PID(), dir: dir})
	for _, p := range programs[1:] {
		o.command = append(o.command, "-p", strconv.Itoa(p.PID()))
	}
	w, err := watch(ctx, o)
	if err != nil {
		return 0, err
	}
	defer w.kill()
	for _, p := range programs {
		if _, err := p.Do("run", (l.config.run / time.Duration(len(programs))).String()); err != nil {
			return 0, err
		}
	}
	used := resident(w.process.Process.Pid)
	_, err = w.stop()
	return float64(used) / (1 << 20), err
}

func (c *severalCosts) table() string {
	var out strings.Builder
	fmt.Fprintf(&out, "Ping-pongs of one executable in one recording in mode io. The first attaches with what is done once. "+
		"The memory is what is resident (VmRSS) when each was busy in its turn.\n\n"+
		"| | |\n|---|--:|\n| ms to attach to the first | %s |\n| ms to attach to the second | %s |\n| MiB with one | %s |\n| MiB with %d | %s |\n",
		rounded(spreadOf(c.first)), rounded(spreadOf(c.second)), rounded(spreadOf(c.one)), 1+furtherProcesses, rounded(spreadOf(c.all)))
	return out.String()
}

func (c *severalCosts) goals() []goal {
	second, further := spreadOf(c.second), spreadOf(c.further)
	return []goal{
		{"attaching to a second process", "≤ 100 ms", rounded(second) + " ms", second.median <= milliseconds(mostSecond)},
		{"memory of the tracer for a further process", "≤ 3 MiB",
			fmt.Sprintf("%.1f (%.1f–%.1f) MiB", further.median, further.low, further.high), further.median <= mostFurther},
	}
}
