package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/netpolltrace/netpolltrace/process"
)

// targetFlags say which processes a command is about.
type targetFlags struct {
	pids  pids
	names []string
}

func (t *targetFlags) add(flags *pflag.FlagSet) {
	flags.VarP(&t.pids, "pid", "p", "the process with this `PID`; several are separated by commas")
	flags.StringArrayVar(&t.names, "name", nil, "all processes that run the program of this `NAME`; may be given several times")
}

// addOne is add for a command that is about one process.
func (t *targetFlags) addOne(flags *pflag.FlagSet) {
	flags.VarP(&t.pids, "pid", "p", "the process with this `PID`")
	flags.StringArrayVar(&t.names, "name", nil, "the process that runs the program of this `NAME`")
}

var errNoProcess = errors.New("no process is given: use -p PID or --name NAME")

func (t *targetFlags) given() bool { return len(t.pids) > 0 || len(t.names) > 0 }

// word takes a word for what it means: a PID or a program's name.
func (t *targetFlags) word(word string) {
	if pid, err := strconv.Atoi(word); err == nil {
		t.pids = []int{pid}
		return
	}
	t.names = []string{word}
}

// argument takes the word that a command was given instead of flags, if any.
func (t *targetFlags) argument(args []string) {
	if len(args) == 1 && !t.given() {
		t.word(args[0])
	}
}

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

// opener is how to open the process, for a command that is about one.
func (t *targetFlags) opener() (func() (*process.Process, error), error) {
	switch {
	case len(t.pids)+len(t.names) > 1:
		return nil, errors.New("several processes are given: give one of them, with -p PID or --name NAME")
	case len(t.names) == 1:
		return func() (*process.Process, error) { return process.OpenName(t.names[0]) }, nil
	case len(t.pids) == 1:
		return func() (*process.Process, error) { return process.Open(t.pids[0]) }, nil
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
