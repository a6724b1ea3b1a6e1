//go:build darwin || freebsd

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"github.com/netpolltrace/netpolltrace/gobinary"
	dtrace "github.com/netpolltrace/netpolltrace/kqueue_dtrace"
	"github.com/netpolltrace/netpolltrace/process"
	"github.com/netpolltrace/netpolltrace/wait"
)

// recordFlags are the flags of record.
type recordFlags struct {
	recordingFlags
	target targetFlags
	mode   wait.Mode
	args   bool
}

// recordModes are those that D scripts have, and the one that chooses.
var recordModes = append([]wait.Mode{wait.ModeAuto}, dtraceModes...)

func newRecordFlags() *recordFlags {
	return &recordFlags{recordingFlags: recordingFlags{duration: defaultDuration, maxOverhead: 0.05}, mode: wait.ModeAuto}
}

func (f *recordFlags) add(flags *pflag.FlagSet) {
	f.target.addOne(flags)
	f.recordingFlags.add(flags)
	flags.Var(&choice[wait.Mode]{&f.mode, recordModes, "MODE"}, "mode", "what to record: "+list(recordModes))
	flags.BoolVar(&f.args, "store-args", false, "store the target's command line in the recording")
}

func newRecord() *cobra.Command {
	flags := newRecordFlags()
	c := &cobra.Command{
		Use:   "record [-p PID | --name NAME | -- COMMAND [ARG...]]",
		Short: "Record the waits of a Go program into a file, by DTrace",
		Long: `Records the waits of a running Go program, or of a command that it starts, into
a file that netpolltrace report reads. On a terminal, without -o, it prints the
report at the end.

Recording is done by dtrace(1), as root: netpolltrace doctor tells what that takes.
It has not run on this system yet: the report says "unverified on this system".
What the probes cost is not known here.

Mode io records the waits in the netpoller; all records every wait of every
goroutine, at a higher cost; auto chooses, at present always io.

A command's output and exit status pass through; 125 means that it could not be
recorded, 126 that it could not be run, 127 that it was not found.`,
		Example: `  netpolltrace record -p 4171 -d 30s
  netpolltrace record --name checkout-api -o waits.json
  netpolltrace record -- ./checkout-api --port 8080`,
	}
	flags.complete(c)
	return c
}

// recordWord is netpolltrace PID|NAME: record and report with their defaults.
func recordWord(c *cobra.Command, word string) error {
	flags := newRecordFlags()
	flags.target.word(word)
	return recordProcesses(c.Context(), flags, true)
}

// recordProcesses records the one process that the flags name.
func recordProcesses(ctx context.Context, flags *recordFlags, show bool) error {
	open, err := flags.target.opener()
	if err != nil {
		return err
	}
	p, err := open()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	r, err := openProcess(ctx, flags, p, show)
	if err != nil {
		return err
	}
	return r.run(ctx)
}

// tracedRun is a recording by DTrace, and the executable that it reads.
type tracedRun struct {
	*recordingRun
	binary *gobinary.Binary
}

func openChild(ctx context.Context, flags *recordFlags, child *process.Child) (*tracedRun, error) {
	p, err := process.Open(child.PID())
	if err != nil {
		return nil, err
	}
	return openProcess(ctx, flags, p, flags.shows())
}

// openProcess starts DTrace on a process, and opens the output.
func openProcess(ctx context.Context, flags *recordFlags, p *process.Process, show bool) (*tracedRun, error) {
	run, err := newRecordingRun(&flags.recordingFlags, []string{p.Name}, show)
	if err != nil {
		return nil, err
	}
	binary, err := gobinary.Open(p.Exe)
	if err != nil {
		return nil, fmt.Errorf("process %d (%s): %w", p.PID, p.Name, err)
	}
	r := &tracedRun{recordingRun: run, binary: binary}
	config, err := configOf(p, binary, flags)
	if err != nil {
		return nil, errors.Join(err, binary.Close())
	}
	source, err := dtrace.Open(ctx, config)
	if err != nil {
		return nil, errors.Join(err, binary.Close())
	}
	if err := r.begin(source); err != nil {
		return nil, errors.Join(err, binary.Close())
	}
	return r, nil
}

// configOf describes the recording of a process.
func configOf(p *process.Process, binary *gobinary.Binary, flags *recordFlags) (dtrace.Config, error) {
	c := dtrace.Config{
		Binary: binary, Process: wait.Process{Name: p.Name, PID: int32(p.PID)}, Exe: p.Exe, Mode: flags.mode, Tool: version(),
	}
	if c.Mode == wait.ModeAuto {
		c.Mode = wait.ModeIO
	}
	var err error
	if c.Host, err = os.Hostname(); err != nil {
		return c, fmt.Errorf("reading this machine's name: %w", err)
	}
	c.Process.Host = c.Host
	var uname unix.Utsname
	if err := unix.Uname(&uname); err != nil {
		return c, fmt.Errorf("reading the kernel's version: %w", err)
	}
	c.Kernel = unix.ByteSliceToString(uname.Sysname[:]) + " " + unix.ByteSliceToString(uname.Release[:])
	if flags.args {
		if c.Args, err = p.Args(); err != nil {
			return c, err
		}
	}
	// A socket without a name is still recorded.
	if c.Descriptors, err = p.Descriptors(); err != nil {
		say(fmt.Sprintf("sockets that are open already have no names: %v", err))
	}
	return c, nil
}

func (r *tracedRun) run(ctx context.Context) error {
	return errors.Join(r.recordingRun.run(ctx, nil), r.binary.Close())
}
