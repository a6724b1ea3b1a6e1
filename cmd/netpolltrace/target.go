//go:build linux || darwin || freebsd

package main

import (
	"errors"
	"strconv"

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
