package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/netpolltrace/netpolltrace/internal/testprogram"
	"github.com/netpolltrace/netpolltrace/probes"
	"github.com/netpolltrace/netpolltrace/process"
	"github.com/netpolltrace/netpolltrace/wait"
)

// mostAttach is for a program of 100 MB.
const mostAttach = 300 * time.Millisecond

// attachCase is a program to attach to.
type attachCase struct {
	name    string
	path    string
	command []float64 // milliseconds, one a round
	session []float64
}

// measureAttach measures how long it takes from the start of "record" until
// waits are recorded, with a small program and with a big one.
func measureAttach(ctx context.Context, l *lab) (string, []goal, error) {
	big, err := buildBig(ctx, l.dir, realSize)
	if err != nil {
		return "", nil, err
	}
	cases := []*attachCase{{name: "ping-pong", path: l.echo}, {name: "big", path: big}}
	for round := range l.rounds {
		for _, c := range cases {
			if err := c.measure(ctx, l); err != nil {
				return "", nil, fmt.Errorf("%s: %w", c.name, err)
			}
			fmt.Fprintf(os.Stderr, "round %d, %s: %.0f ms, of which the session %.0f ms\n", round+1, c.name, c.command[round], c.session[round])
		}
	}
	return attachTable(cases)
}

func (c *attachCase) measure(ctx context.Context, l *lab) (err error) {
	dir, remove, err := l.folder()
	if err != nil {
		return err
	}
	defer remove()
	program, err := testprogram.Start(ctx, c.path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, program.Close()) }()
	w, err := watch(ctx, record("io")(scene{tool: l.tool, exe: c.path, pid: program.PID(), dir: dir}))
	if err != nil {
		return err
	}
	defer w.kill()
	c.command = append(c.command, milliseconds(w.attached))
	if _, err := w.stop(); err != nil {
		return err
	}
	took, err := timeOpening(ctx, program.PID())
	if err != nil {
		return err
	}
	c.session = append(c.session, milliseconds(took[0]))
	return nil
}

// timeOpening attaches to processes one after the other, in a process of its own,
// and tells how long each took; the first with what is done once.
func timeOpening(ctx context.Context, pids ...int) ([]time.Duration, error) {
	args := []string{openCommand}
	for _, pid := range pids {
		args = append(args, strconv.Itoa(pid))
	}
	out, err := exec.CommandContext(ctx, "/proc/self/exe", args...).Output()
	if err != nil {
		return nil, fmt.Errorf("opening a session: %w", err)
	}
	var took []time.Duration
	for line := range strings.Lines(string(out)) {
		d, err := time.ParseDuration(strings.TrimSpace(line))
		if err != nil {
			return nil, fmt.Errorf("opening a session: %w", err)
		}
		took = append(took, d)
	}
	if len(took) != len(pids) {
		return nil, fmt.Errorf("opening a session: %d times of %d processes", len(took), len(pids))
	}
	return took, nil
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func attachTable(cases []*attachCase) (string, []goal, error) {
	var out strings.Builder
	fmt.Fprintf(&out, "From the start of `netpolltrace record` until waits are recorded, and the session's part of it. "+
		"The big program has %d functions and no symbols.\n\n"+
		"| program | MB | ms | of which the session |\n|---|--:|--:|--:|\n", realSize.packages*realSize.functions)
	var goals []goal
	for _, c := range cases {
		info, err := os.Stat(c.path)
		if err != nil {
			return "", nil, err
		}
		command, opening := spreadOf(c.command), spreadOf(c.session)
		fmt.Fprintf(&out, "| %s | %.0f | %s | %s |\n", c.name, float64(info.Size())/1e6, rounded(command), rounded(opening))
		if c.name == "big" {
			goals = append(goals, goal{"attaching to a stripped binary of 100 MB", "≤ 300 ms", rounded(command) + " ms",
				command.median <= milliseconds(mostAttach)})
		}
	}
	return out.String(), goals, nil
}

// rounded is a spread without decimals.
func rounded(s spread) string { return fmt.Sprintf("%.0f (%.0f–%.0f)", s.median, s.low, s.high) }

// openSession attaches to processes, prints how long each took, and ends.
func openSession(_ context.Context, pids []string) (err error) {
	// The recorder is closed before the processes are.
	var targets []*process.Process
	defer func() {
		for _, target := range targets {
			err = errors.Join(err, target.Close())
		}
	}()
	began := time.Now()
	source, err := probes.Open(probes.Options{Mode: wait.ModeIO})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	for _, text := range pids {
		pid, err := strconv.Atoi(text)
		if err != nil {
			return err
		}
		target, err := process.Open(pid)
		if err != nil {
			return err
		}
		targets = append(targets, target)
		if _, err := source.Add(target, probes.TargetOptions{}); err != nil {
			return err
		}
		fmt.Println(time.Since(began))
		began = time.Now()
	}
	return nil
}
