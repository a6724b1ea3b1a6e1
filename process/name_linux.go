package process

import (
	"bytes"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
)

// ByName finds the processes with a name: the base name of their executable,
// or of the command as it was called (argv[0]), or the kernel's name of it
// (comm, 15 bytes at most). It leaves out the caller itself. Finding none is
// an error.
func ByName(name string) ([]int, error) {
	pids, err := numberedEntries("/proc")
	if err != nil {
		return nil, fmt.Errorf("listing the processes: %w", err)
	}
	self := os.Getpid()
	pids = slices.DeleteFunc(pids, func(pid int) bool {
		return pid == self || !isCalled(pid, name)
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
		return nil, p.explain("reading the command line", err)
	}
	return args, nil
}

func argsOf(pid int) ([]string, error) {
	text, err := os.ReadFile(procPath(pid, "cmdline"))
	if err != nil {
		return nil, err
	}
	return strings.Split(strings.TrimSuffix(string(text), "\x00"), "\x00"), nil
}

func isCalled(pid int, name string) bool {
	st, err := readStat(pid)
	if err != nil || st.State == 'Z' || st.Flags&flagKernelThread != 0 {
		return false
	}
	if st.Comm == name {
		return true
	}
	// Of other users' processes the executable's name cannot be read.
	if exe, err := os.Readlink(procPath(pid, "exe")); err == nil {
		if path.Base(strings.TrimSuffix(exe, " (deleted)")) == name {
			return true
		}
	}
	args, err := os.ReadFile(procPath(pid, "cmdline"))
	if err != nil {
		return false
	}
	arg0, _, _ := bytes.Cut(args, []byte{0})
	return len(arg0) > 0 && path.Base(string(arg0)) == name
}
