package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
)

const (
	// manyConns have a goroutine at either end.
	manyConns  = 5000
	mostMemory = 64 << 20 // bytes, at 10,000 goroutines
)

// measureMemory records a ping-pong of 10,000 goroutines, all of which wait all
// the time.
func measureMemory(ctx context.Context, l *lab) (string, []goal, error) {
	modes := []string{"io", "all"}
	peaks := make(map[string][]float64)
	for round := range l.rounds {
		for _, mode := range modes {
			used, err := l.memoryOf(ctx, mode)
			if err != nil {
				return "", nil, fmt.Errorf("mode %s: %w", mode, err)
			}
			fmt.Fprintf(os.Stderr, "round %d, mode %s: %d MB\n", round+1, mode, used>>20)
			peaks[mode] = append(peaks[mode], float64(used)/(1<<20))
		}
	}
	var out strings.Builder
	out.WriteString("The most that was resident (VmHWM) while `record` watched a ping-pong of 10,000 goroutines at full rate. " +
		"It includes what is mapped of executables.\n\n| mode | MiB |\n|---|--:|\n")
	var goals []goal
	for _, mode := range modes {
		s := spreadOf(peaks[mode])
		text := fmt.Sprintf("%.0f (%.0f–%.0f)", s.median, s.low, s.high)
		fmt.Fprintf(&out, "| %s | %s |\n", mode, text)
		goals = append(goals, goal{"memory of the tracer at 10,000 goroutines, mode " + mode, "≤ 64 MiB", text + " MiB", s.high <= mostMemory>>20})
	}
	return out.String(), goals, nil
}

func (l *lab) memoryOf(ctx context.Context, mode string) (used int64, err error) {
	dir, remove, err := l.folder()
	if err != nil {
		return 0, err
	}
	defer remove()
	echo, err := l.startEcho(ctx, manyConns)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, echo.Close()) }()
	w, err := watch(ctx, record(mode)(scene{tool: l.tool, exe: l.echo, pid: echo.PID(), dir: dir}))
	if err != nil {
		return 0, err
	}
	defer w.kill()
	if _, err := echo.Do("run", l.config.run.String()); err != nil {
		return 0, err
	}
	return w.stop()
}
