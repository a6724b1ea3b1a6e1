//go:build linux || darwin || freebsd

package process

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// ByName finds the processes with a name: the base name of their executable; on
// Linux also that of the command as it was called (argv[0]), or the kernel's name
// of it (comm, 15 bytes at most). It leaves out the caller itself. Finding none is
// an error.
func ByName(name string) ([]int, error) {
	pids, err := running()
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
	args, err := argsOf(pid)
	if err != nil {
		return "exited"
	}
	line := strings.TrimRight(strings.Join(args, " "), " ")
	if len(line) > maxCommandLine {
		line = strings.ToValidUTF8(line[:maxCommandLine], "") + "..."
	}
	quoted := fmt.Sprintf("%q", line)
	return quoted[1 : len(quoted)-1]
}
