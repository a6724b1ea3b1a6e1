package process

import (
	"bytes"
	"os"
	"path"
	"strings"
)

// running are the PIDs of the processes.
func running() ([]int, error) { return numberedEntries("/proc") }

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
