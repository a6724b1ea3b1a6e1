package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/netpolltrace/netpolltrace/process"
)

// find finds the processes. Those that were named by their PIDs need not exist.
func (t *targetFlags) find() (*found, error) {
	switch {
	case len(t.pids) > 0 && len(t.names) > 0:
		return nil, errors.New("both --pid and --name are given: give one of them")
	case len(t.pids) > 0:
		return &found{pids: distinct(t.pids)}, nil
	case len(t.names) > 0:
		return findNames(t.names)
	}
	return nil, errNoProcess
}

// found are the processes that a command is about.
type found struct {
	pids []int
	// names are those that they were found by; empty if their PIDs were given.
	names []string
}

func findNames(names []string) (*found, error) {
	var all []int
	for _, name := range names {
		pids, err := process.ByName(name)
		if err != nil {
			return nil, err
		}
		all = append(all, pids...)
	}
	return &found{pids: distinct(all), names: names}, nil
}

// distinct keeps the first of equal numbers.
func distinct(numbers []int) []int {
	var kept []int
	for _, n := range numbers {
		if !slices.Contains(kept, n) {
			kept = append(kept, n)
		}
	}
	return kept
}

// limit leaves a number of processes at most, and says so if there were more.
// Those that were named by their PIDs are more than can be recorded.
func (f *found) limit(most int, say func(string)) error {
	switch {
	case len(f.pids) <= most:
		return nil
	case len(f.names) == 0:
		return fmt.Errorf("%d processes are more than can be recorded at once: give %d at most, or a larger --max-processes", len(f.pids), most)
	}
	say(fmt.Sprintf("%d processes are called %s: recording no more than %d of them, as --max-processes says", len(f.pids), f.called(), most))
	f.pids = f.pids[:most]
	return nil
}

func (f *found) called() string {
	var quoted []string
	for _, name := range f.names {
		quoted = append(quoted, strconv.Quote(name))
	}
	return strings.Join(quoted, " or ")
}

// use does something with each process. Where that fails, a process that was
// named by its PID is an error; one that was found by its name is left out,
// which is said, unless none remains. What was done is returned with an error,
// too.
func use[In, Out any](f *found, all []In, say func(string), do func(In) (Out, error)) (used []Out, err error) {
	var errs []error
	for _, in := range all {
		out, err := do(in)
		switch {
		case err == nil:
			used = append(used, out)
		case len(f.names) == 0:
			return used, err
		default:
			errs = append(errs, err)
		}
	}
	switch {
	case len(used) > 0:
	case len(errs) == 1:
		return nil, errs[0]
	default:
		return nil, fmt.Errorf("none of %d processes called %s can be used; the first of them: %w", len(errs), f.called(), errs[0])
	}
	for _, err := range errs {
		say(fmt.Sprintf("left out: %v", err))
	}
	return used, nil
}

// openAll opens the processes.
func (f *found) openAll(say func(string)) ([]*process.Process, error) {
	opened, err := use(f, f.pids, say, process.Open)
	if err != nil {
		return nil, errors.Join(err, closeAll(opened))
	}
	return opened, nil
}

func closeAll(processes []*process.Process) error {
	var errs []error
	for _, p := range processes {
		errs = append(errs, p.Close())
	}
	return errors.Join(errs...)
}
