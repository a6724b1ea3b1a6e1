package process

import (
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// holder keeps a child stopped from a thread of its own.
type holder struct {
	cmd     *exec.Cmd
	release sync.Once
	resume  chan struct{} // closed to ask the thread to let go
	let     chan error    // what came of it
}

// startStopped starts a command, which the kernel stops before its first
// instruction.
func startStopped(cmd *exec.Cmd) (*Child, error) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = new(syscall.SysProcAttr)
	}
	cmd.SysProcAttr.Ptrace = true
	h := &holder{cmd: cmd, resume: make(chan struct{}), let: make(chan error, 1)}
	started := make(chan error)
	go h.trace(started)
	if err := <-started; err != nil {
		return nil, err
	}
	return &Child{cmd: cmd, resume: h.letGo, ended: h.free}, nil
}

// trace starts the command, holds it stopped and lets it go. The kernel takes
// ptrace requests only from the thread that became the tracer by starting the
// command, so that all of it happens here, on one thread.
func (h *holder) trace(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := h.cmd.Start(); err != nil {
		started <- err
		return
	}
	pid := h.cmd.Process.Pid
	if err := waitForExecStop(pid); err != nil {
		h.cmd.Process.Kill()
		h.cmd.Wait()
		started <- err
		return
	}
	started <- nil
	<-h.resume
	if err := syscall.PtraceDetach(pid); err != nil && !errors.Is(err, unix.ESRCH) {
		h.let <- fmt.Errorf("letting process %d run: %w", pid, err)
		return
	}
	h.let <- nil
}

// letGo lets the child run. It is to be called once.
func (h *holder) letGo() error {
	h.free()
	return <-h.let
}

// free asks the thread to let go: of a child that was killed before it ran, too.
func (h *holder) free() { h.release.Do(func() { close(h.resume) }) }

// waitForExecStop waits until the kernel stopped a traced child at its exec,
// which it does with a SIGTRAP; see ptrace(2), PTRACE_TRACEME.
func waitForExecStop(pid int) error {
	var ws unix.WaitStatus
	for {
		_, err := unix.Wait4(pid, &ws, 0, nil)
		if err == nil {
			break
		}
		if !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("waiting for process %d to start: %w", pid, err)
		}
	}
	if !ws.Stopped() || ws.StopSignal() != unix.SIGTRAP {
		return fmt.Errorf("process %d ended while it was being started (status %#x)", pid, uint32(ws))
	}
	return nil
}
