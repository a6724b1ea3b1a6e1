package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/netpolltrace/netpolltrace/internal/testprogram"
)

// lab is what all sections work with.
type lab struct {
	config
	dir  string // for files; removed at the end
	echo string // path of the ping-pong
}

// newLab builds what is measured.
func newLab(ctx context.Context, c config) (l *lab, err error) {
	l = &lab{config: c}
	if l.dir, err = os.MkdirTemp("", "netpolltrace-bench-"); err != nil {
		return nil, err
	}
	if err := l.build(ctx); err != nil {
		return nil, errors.Join(err, l.close())
	}
	return l, nil
}

func (l *lab) build(ctx context.Context) (err error) {
	if l.tool == "" {
		l.tool = filepath.Join(l.dir, "netpolltrace")
		if out, err := exec.CommandContext(ctx, "go", "build", "-o", l.tool, "./cmd/netpolltrace").CombinedOutput(); err != nil {
			return fmt.Errorf("building netpolltrace: %w\n%s", err, out)
		}
	}
	l.echo, err = testprogram.Build{}.Program(ctx, "echo", l.dir)
	return err
}

func (l *lab) close() error { return os.RemoveAll(l.dir) }

// folder is a new one for the files of a measurement, and what removes it.
func (l *lab) folder() (path string, remove func(), err error) {
	path, err = os.MkdirTemp(l.dir, "run-")
	return path, func() { os.RemoveAll(path) }, err // the lab's close reports what cannot be removed
}

// startEcho starts a ping-pong and has it run for a moment, so that nothing is
// new to it.
func (l *lab) startEcho(ctx context.Context, conns int, args ...string) (*testprogram.Process, error) {
	echo, err := testprogram.Start(ctx, l.echo, append([]string{"-conns", strconv.Itoa(conns)}, args...)...)
	if err != nil {
		return nil, err
	}
	if _, err := echo.Do("run", warmUp.String()); err != nil {
		return nil, errors.Join(err, echo.Close())
	}
	return echo, nil
}

// machine says where this was measured, without names.
func (l *lab) machine() string {
	return fmt.Sprintf("%d rounds of %v, %d connections; %s, %d CPUs, %s %s/%s, Linux %s. "+
		"Of several rounds: the middle one (lowest–highest).",
		l.rounds, l.run, l.conns, processor(), runtime.NumCPU(), runtime.Version(), runtime.GOOS, runtime.GOARCH, kernel())
}

func processor() string {
	text, _ := os.ReadFile("/proc/cpuinfo") // where it is missing, so is the name
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown processor"
}

// kernel is the version without what a distribution adds.
func kernel() string {
	text, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return "unknown"
	}
	version, _, _ := strings.Cut(strings.TrimSpace(string(text)), "-")
	return version
}
