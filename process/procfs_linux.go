package process

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// flagKernelThread is PF_KTHREAD of a task's flags (linux/sched.h).
const flagKernelThread = 0x00200000

// stat is what is used of /proc/PID/stat; see proc_pid_stat(5).
type stat struct {
	Comm  string
	State byte // R, S, D, Z, T, ...
	Flags uint64
}

// parseStat parses /proc/PID/stat. The command may hold spaces and brackets,
// so that fields are counted from the last bracket on.
func parseStat(text []byte) (stat, error) {
	open, end := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
	if open < 0 || end < open {
		return stat{}, errors.New("no command in brackets")
	}
	fields := strings.Fields(string(text[end+1:]))
	const state, flags = 0, 6
	if len(fields) <= flags || len(fields[state]) != 1 {
		return stat{}, fmt.Errorf("%d fields after the command", len(fields))
	}
	f, err := strconv.ParseUint(fields[flags], 10, 64)
	if err != nil {
		return stat{}, fmt.Errorf("flags: %w", err)
	}
	return stat{Comm: string(text[open+1 : end]), State: fields[state][0], Flags: f}, nil
}

// status is what is used of /proc/PID/status; see proc_pid_status(5).
type status struct {
	TGID  int
	UID   int   // real
	NSPID []int // in each PID namespace, from the reader's to the innermost
}

// parseStatus parses /proc/PID/status. Lines that it does not know are skipped,
// lines that are missing leave zero values.
func parseStatus(text string) (status, error) {
	var s status
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(line, ":")
		fields := strings.Fields(value)
		if len(fields) == 0 {
			continue
		}
		var err error
		switch key {
		case "Tgid":
			s.TGID, err = strconv.Atoi(fields[0])
		case "Uid":
			s.UID, err = strconv.Atoi(fields[0])
		case "NSpid":
			s.NSPID, err = atois(fields)
		}
		if err != nil {
			return status{}, fmt.Errorf("%s: %w", key, err)
		}
	}
	return s, nil
}

func atois(fields []string) ([]int, error) {
	numbers := make([]int, len(fields))
	for i, field := range fields {
		n, err := strconv.Atoi(field)
		if err != nil {
			return nil, err
		}
		numbers[i] = n
	}
	return numbers, nil
}

// procPath is the path of a file about a process.
func procPath(pid int, name string) string {
	return "/proc/" + strconv.Itoa(pid) + "/" + name
}

func readStat(pid int) (stat, error) {
	text, err := os.ReadFile(procPath(pid, "stat"))
	if err != nil {
		return stat{}, err
	}
	s, err := parseStat(text)
	if err != nil {
		return stat{}, fmt.Errorf("parsing %s: %w", procPath(pid, "stat"), err)
	}
	return s, nil
}

func readStatus(path string) (status, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return status{}, err
	}
	s, err := parseStatus(string(text))
	if err != nil {
		return status{}, fmt.Errorf("parsing %s: %w", path, err)
	}
	return s, nil
}

// numberedEntries lists the entries of a directory of /proc whose names are
// numbers, such as processes, threads and descriptors, in the kernel's order.
func numberedEntries(dir string) ([]int, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	numbers := make([]int, 0, len(names))
	for _, name := range names {
		if n, err := strconv.Atoi(name); err == nil {
			numbers = append(numbers, n)
		}
	}
	return numbers, nil
}
