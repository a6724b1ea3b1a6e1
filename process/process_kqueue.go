//go:build darwin || freebsd

package process

import (
	"bytes"
	"fmt"
	"path/filepath"
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

// isCalled tells whether the executable of a process has this base name.
func isCalled(pid int, name string) bool {
	p, err := Open(pid)
	return err == nil && p.Name == name
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
