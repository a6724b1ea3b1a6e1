//go:build linux || darwin || freebsd

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/netpolltrace/netpolltrace/process"
)

// recordArgument is netpolltrace PID|NAME.
func recordArgument(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return c.Help()
	}
	return recordWord(c, args[0])
}

// complete has the command record take flags, and what follows them as a command
// to run.
func (f *recordFlags) complete(c *cobra.Command) {
	c.RunE = func(c *cobra.Command, args []string) error {
		switch {
		case len(args) == 0:
			return recordProcesses(c.Context(), f, f.shows())
		case c.ArgsLenAtDash() != 0:
			return notACommand(args[0])
		}
		return recordCommand(c, f, args)
	}
	c.Flags().SetInterspersed(false)
	f.add(c.Flags())
}

// recordCommand records a command from its first instruction to its end, and
// ends as it did.
func recordCommand(c *cobra.Command, flags *recordFlags, args []string) error {
	if flags.target.given() {
		return &exitError{process.StatusTrouble, errors.New("both a process and a command are given: give one of them")}
	}
	if !c.Flags().Changed("duration") {
		flags.duration = 0
	}
	command := exec.Command(args[0], args[1:]...)
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	child, err := process.Start(command)
	if err != nil {
		return startFailed(err)
	}
	status, err := recordChild(c.Context(), flags, child)
	if err != nil {
		return &exitError{process.StatusTrouble, err}
	}
	if status != 0 {
		return &exitError{status, nil}
	}
	return nil
}

func startFailed(err error) error {
	var start *process.StartError
	if errors.As(err, &start) {
		return &exitError{start.Status, err}
	}
	return &exitError{process.StatusTrouble, err}
}

// notACommand refuses a word that stands where only flags do: it may be meant
// as a process.
func notACommand(word string) error {
	if _, err := strconv.Atoi(word); err == nil {
		return fmt.Errorf("give a process as -p %s, and a command after --", word)
	}
	return fmt.Errorf("give a process as --name %q, and a command after --", word)
}

// recordChild records a child that stands before its first instruction. What
// goes wrong with the recording later on does not touch the child.
func recordChild(ctx context.Context, flags *recordFlags, child *process.Child) (status int, err error) {
	r, err := openChild(ctx, flags, child)
	if err != nil {
		return 0, errors.Join(err, child.Signal(os.Kill), waitKilled(child))
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan struct{})
	defer passSignals(child, ended, stop)()
	if err := child.Resume(); err != nil {
		return 0, err
	}
	recorded := make(chan error, 1)
	go func() { recorded <- r.run(ctx) }()
	status, err = child.Wait()
	close(ended)
	return status, errors.Join(err, <-recorded)
}

// passSignals passes signals on to the child until the function that it returns
// is called. Ctrl-C reaches the child by itself, and the recording ends with it;
// a SIGTERM is ours alone. Once the child has ended, what it left behind may
// still be recorded: then either ends the recording.
func passSignals(child *process.Child, ended <-chan struct{}, stop context.CancelFunc) (done func()) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		for s := range signals {
			select {
			case <-ended:
				stop()
			default:
				if s == syscall.SIGTERM {
					_ = child.Signal(s) // it may have ended
				}
			}
		}
	}()
	return func() { signal.Stop(signals) }
}

func waitKilled(child *process.Child) error {
	_, err := child.Wait()
	return err
}
