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

// OpenName opens the only process with a name; see [ByName]. It is an error
// that lists the PIDs if there are several.
func OpenName(name string) (*Process, error) {
	pids, err := ByName(name)
	if err != nil {
		return nil, err
	}
	if len(pids) > 1 {
		return nil, ambiguous(name, pids)
	}
	return Open(pids[0])
}

// maxListed bounds the processes that an error lists.
const maxListed = 10

func ambiguous(name string, pids []int) error {
	var list strings.Builder
	for i, pid := range pids {
		if i == maxListed {
			fmt.Fprintf(&list, ", and %d more", len(pids)-i)
			break
		}
		if i > 0 {
			list.WriteString(", ")
		}
		fmt.Fprintf(&list, "%d (%s)", pid, commandLine(pid))
	}
	return fmt.Errorf("%d processes are called %q: %s: choose one with -p PID", len(pids), name, &list)
}

// maxCommandLine bounds what is shown of a command line, in bytes.
const maxCommandLine = 60

// commandLine is the start of a process's command line, safe to print: anybody
// may have chosen it.
func commandLine(pid int) string {
	text, err := os.ReadFile(procPath(pid, "cmdline"))
	if err != nil {
		return "exited"
	}
	line := strings.TrimRight(strings.ReplaceAll(string(text), "\x00", " "), " ")
	if len(line) > maxCommandLine {
		line = strings.ToValidUTF8(line[:maxCommandLine], "") + "..."
	}
	quoted := fmt.Sprintf("%q", line)
	return quoted[1 : len(quoted)-1]
}

// Args is the process's command line, as the process has it now.
func (p *Process) Args() ([]string, error) {
	text, err := os.ReadFile(procPath(p.PID, "cmdline"))
	if err != nil {
		return nil, p.explain("reading the command line", err)
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
