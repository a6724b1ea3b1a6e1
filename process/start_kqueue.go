//go:build darwin || freebsd

package process

import (
	"os/exec"
	"syscall"
)

// startStopped starts a command and stops it by a signal.
func startStopped(cmd *exec.Cmd) (*Child, error) {
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	c := &Child{cmd: cmd}
	c.resume = func() error { return c.Signal(syscall.SIGCONT) }
	// One that has ended already cannot be stopped; Wait tells.
	_ = c.Signal(syscall.SIGSTOP)
	return c, nil
}
