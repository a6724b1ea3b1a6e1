package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/netpolltrace/netpolltrace/gobinary"
	"github.com/netpolltrace/netpolltrace/probes"
	"github.com/netpolltrace/netpolltrace/process"
	"github.com/netpolltrace/netpolltrace/wait"
)

// The first arguments with which bench is an observer itself.
const (
	emptyCommand = "empty-probes" // attaches programs that do nothing
	openCommand  = "open-session" // attaches those of a recording, and ends
)

// observers are what bench does with such a first argument.
func observers() map[string]func(context.Context, []string) error {
	return map[string]func(context.Context, []string) error{
		emptyCommand: observeEmpty,
		openCommand:  openSession,
	}
}

// observeEmpty attaches empty probes to a process until it is interrupted.
func observeEmpty(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet(emptyCommand, flag.ContinueOnError)
	pid := flags.Int("p", 0, "the process")
	naive := flags.Bool("naive", false, "probe the obvious places instead of the cheap ones")
	mode := flags.String("mode", "io", "whose places")
	ready := flags.String("ready-file", "", "create this file when they are attached")
	if err := flags.Parse(args); err != nil {
		return err
	}
	target, err := process.Open(*pid)
	if err != nil {
		return err
	}
	defer target.Close()
	attached, err := attachEmpty(target, wait.Mode(*mode), *naive)
	if err != nil {
		return err
	}
	if err := os.WriteFile(*ready, nil, 0o600); err != nil {
		return errors.Join(err, attached.Close())
	}
	<-ctx.Done()
	return attached.Close()
}

func attachEmpty(p *process.Process, mode wait.Mode, naive bool) (io.Closer, error) {
	binary, err := gobinary.Open(p.ExePath())
	if err != nil {
		return nil, fmt.Errorf("process %d: %w", p.PID, err)
	}
	defer binary.Close()
	target, err := probes.NewTarget(binary, p)
	if err != nil {
		return nil, err
	}
	plan, err := probes.Choose(new(probes.Features), mode, "")
	if err != nil {
		return nil, err
	}
	return probes.AttachEmpty(target, plan, naive)
}
