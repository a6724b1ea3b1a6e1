//go:build linux || darwin || freebsd

package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Exit statuses of a command that runs another one, as env(1) has them.
const (
	StatusTrouble   = 125 // the command itself has a problem
	StatusCannotRun = 126 // the other one was found but cannot be run
	StatusNotFound  = 127 // it was not found
	statusSignal    = 128 // plus the number of the signal that killed it
)

// StartError is the error of a program that could not be started.
type StartError struct {
	Status int // the exit status to end with
	Err    error
}

func (e *StartError) Error() string { return e.Err.Error() }
func (e *StartError) Unwrap() error { return e.Err }

// Child is a program that was started in order to be watched.
type Child struct {
	cmd    *exec.Cmd
	resume func() error
	ended  func() // called when it has ended; nil where nothing is to be done
}

// Start starts a command and stops it before its first instruction, until
// [Child.Resume]; on macOS and FreeBSD it may have run some by then. A program
// that runs as root by sudo starts it as the user who called sudo. Errors are of
// type [*StartError].
func Start(cmd *exec.Cmd) (*Child, error) {
	if os.Geteuid() == 0 {
		if err := asSudoUser(cmd, os.LookupEnv); err != nil {
			return nil, &StartError{Status: StatusTrouble, Err: err}
		}
	}
	c, err := startStopped(cmd)
	if err != nil {
		return nil, startError(cmd, err)
	}
	return c, nil
}

// Resume lets the child run, untraced. It is to be called once.
func (c *Child) Resume() error { return c.resume() }

// startError finds the exit status that env(1) would end with.
func startError(cmd *exec.Cmd, err error) error {
	switch {
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrNotExist):
		return &StartError{Status: StatusNotFound, Err: fmt.Errorf("starting %s: %w; give the path of a program", cmd.Path, err)}
	case errors.Is(err, unix.EPERM):
		return &StartError{Status: StatusTrouble, Err: fmt.Errorf("starting %s stopped: %w; if this is a container, allow ptrace in it, or start the program first and use -p PID", cmd.Path, err)}
	}
	return &StartError{Status: StatusCannotRun, Err: fmt.Errorf("starting %s: %w; give the path of a program that may be run", cmd.Path, err)}
}

// PID is the child's PID.
func (c *Child) PID() int { return c.cmd.Process.Pid }

// Signal sends a signal to the child; SIGKILL ends it also before Resume.
func (c *Child) Signal(sig os.Signal) error { return c.cmd.Process.Signal(sig) }

// Wait waits until the child ended, and returns its exit status: 128 plus the
// signal's number if a signal killed it. A child that was not resumed must have
// been killed. Wait is to be called once.
func (c *Child) Wait() (int, error) {
	err := c.cmd.Wait()
	if c.ended != nil {
		c.ended()
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return StatusTrouble, fmt.Errorf("waiting for %s: %w", c.cmd.Path, err)
	}
	ws, ok := c.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if ok && ws.Signaled() {
		return statusSignal + int(ws.Signal()), nil
	}
	return c.cmd.ProcessState.ExitCode(), nil
}

// asSudoUser makes a command run as the user who called sudo, with that user's
// groups and home, as it would run without sudo. Where there is no sudo it
// changes nothing. See sudo(8), "ENVIRONMENT".
func asSudoUser(cmd *exec.Cmd, getenv func(string) (string, bool)) error {
	uidText, ok := getenv("SUDO_UID")
	if !ok {
		return nil
	}
	gidText, _ := getenv("SUDO_GID")
	uid, err := strconv.ParseUint(uidText, 10, 32)
	if err != nil {
		return fmt.Errorf("reading SUDO_UID: %w; start netpolltrace by sudo, or unset it", err)
	}
	gid, err := strconv.ParseUint(gidText, 10, 32)
	if err != nil {
		return fmt.Errorf("reading SUDO_GID: %w; start netpolltrace by sudo, or unset SUDO_UID", err)
	}
	credential := &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	env := cmd.Environ()
	// A user whom the system does not know has no groups and no home.
	if u, err := user.LookupId(uidText); err == nil {
		credential.Groups = groupsOf(u)
		env = withEnv(env, "HOME", u.HomeDir)
		env = withEnv(env, "USER", u.Username)
		env = withEnv(env, "LOGNAME", u.Username)
	}
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = new(syscall.SysProcAttr)
	}
	cmd.SysProcAttr.Credential = credential
	cmd.Env = env
	return nil
}

func groupsOf(u *user.User) []uint32 {
	ids, err := u.GroupIds()
	if err != nil {
		return nil
	}
	groups := make([]uint32, 0, len(ids))
	for _, id := range ids {
		if gid, err := strconv.ParseUint(id, 10, 32); err == nil {
			groups = append(groups, uint32(gid))
		}
	}
	return groups
}

// withEnv is env with one variable set anew.
func withEnv(env []string, name, value string) []string {
	env = slices.DeleteFunc(env, func(v string) bool { return strings.HasPrefix(v, name+"=") })
	return append(env, name+"="+value)
}
