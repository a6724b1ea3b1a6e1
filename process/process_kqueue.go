//go:build darwin || freebsd

package process

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Process is a live process of macOS or FreeBSD. Nothing was tried on these
// systems.
type Process struct {
	PID  int
	Name string // the base name of the executable
	Exe  string // the executable's path
}

// Open finds a process.
func Open(pid int) (*Process, error) {
	exe, err := executable(pid)
	if err != nil {
		return nil, fmt.Errorf("finding the executable of process %d: %w", pid, err)
	}
	return &Process{PID: pid, Name: filepath.Base(exe), Exe: exe}, nil
}

// ByName finds the processes whose executable has this base name, but for the
// caller. Finding none is an error.
func ByName(name string) ([]int, error) {
	pids, err := running()
	if err != nil {
		return nil, fmt.Errorf("listing the processes: %w", err)
	}
	self := os.Getpid()
	pids = slices.DeleteFunc(pids, func(pid int) bool {
		p, err := Open(pid)
		return pid == self || err != nil || p.Name != name
	})
	if len(pids) == 0 {
		return nil, fmt.Errorf("no process is called %q here: give its PID (`pgrep -fl %s` searches full command lines)", name, name)
	}
	slices.Sort(pids)
	return pids, nil
}

// Args is the process's command line, as the process has it now.
func (p *Process) Args() ([]string, error) {
	args, err := argsOf(p.PID)
	if err != nil {
		return nil, fmt.Errorf("reading the command line of process %d (%s): %w", p.PID, p.Name, err)
	}
	return args, nil
}

// words cuts a text at the NULs that end its words.
func words(text []byte) []string {
	return strings.Split(string(bytes.TrimSuffix(text, []byte{0})), "\x00")
}
