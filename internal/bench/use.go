package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// peakEvery is the time between two looks at a process's peak. What
// getrusage(2) says of a child would be no less than what this process has
// itself, since a child begins as its copy.
const peakEvery = 10 * time.Millisecond

// peak looks at a process at once and then until it is over. It gives the most
// memory that was resident, in bytes, once.
func peak(pid int, over <-chan struct{}) <-chan int64 {
	most := residentPeak(pid)
	end := make(chan int64, 1)
	go func() {
		look := time.NewTicker(peakEvery)
		defer look.Stop()
		for {
			select {
			case <-over:
				end <- most
				return
			case <-look.C:
				most = max(most, residentPeak(pid))
			}
		}
	}()
	return end
}

// residentPeak is the most memory that was resident in bytes, resident what is
// now: VmHWM and VmRSS of proc_pid_status(5); 0 for a process that is gone.
func residentPeak(pid int) int64 { return memoryOf(pid, "VmHWM") }
func resident(pid int) int64     { return memoryOf(pid, "VmRSS") }

func memoryOf(pid int, field string) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	var kib int64
	for line := range strings.Lines(string(text)) {
		if n, err := fmt.Sscanf(line, field+": %d kB", &kib); n == 1 && err == nil {
			return kib << 10
		}
	}
	return 0
}

// use is what a command took.
type use struct {
	wall time.Duration
	cpu  time.Duration
	peak int64 // bytes
}

// measureCommand runs a command to its end. Its output is thrown away.
func measureCommand(ctx context.Context, command ...string) (use, error) {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return use{}, fmt.Errorf("starting %s: %w", command[0], err)
	}
	over := make(chan struct{})
	most := peak(cmd.Process.Pid, over)
	err := cmd.Wait()
	u := use{wall: time.Since(began)}
	close(over)
	u.peak = <-most
	if err != nil {
		return u, errors.Join(fmt.Errorf("running %s: %w", command[0], err), errors.New(complaints.String()))
	}
	u.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return u, nil
}
