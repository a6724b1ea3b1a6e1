package main

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/pflag"

	"github.com/netpolltrace/netpolltrace/process"
)

// targetFlags say which process a command is about.
type targetFlags struct {
	pid  int
	name string
}

func (t *targetFlags) add(flags *pflag.FlagSet) {
	flags.IntVarP(&t.pid, "pid", "p", 0, "the process with this `PID`")
	flags.StringVar(&t.name, "name", "", "the process that runs the program of this `NAME`")
}

func (t *targetFlags) given() bool { return t.pid != 0 || t.name != "" }

// open opens the process.
func (t *targetFlags) open() (*process.Process, error) {
	switch {
	case t.pid != 0 && t.name != "":
		return nil, errors.New("both --pid and --name are given: give one of them")
	case t.name != "":
		return process.OpenName(t.name)
	case t.pid != 0:
		return process.Open(t.pid)
	}
	return nil, errors.New("no process is given: use -p PID or --name NAME")
}

// openNamed opens the process that one word means: a PID or a program's name.
func openNamed(word string) (*process.Process, error) {
	if pid, err := strconv.Atoi(word); err == nil {
		return process.Open(pid)
	}
	p, err := process.OpenName(word)
	if err != nil {
		return nil, fmt.Errorf("%w (commands: netpolltrace --help)", err)
	}
	return p, nil
}
