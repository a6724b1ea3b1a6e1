package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"time"

	"github.com/spf13/cobra"

	"github.com/netpolltrace/netpolltrace/internal/workload"
	"github.com/netpolltrace/netpolltrace/probes"
	"github.com/netpolltrace/netpolltrace/wait"
)

// demoRun is one recording of the demo: the same shop, seen more or less
// closely.
type demoRun struct {
	mode     wait.Mode
	duration time.Duration
	title    string
}

var demoRuns = []demoRun{
	{wait.ModeIO, 7 * time.Second, "What a shop waits for in the netpoller (mode io)"},
	{wait.ModeAll, 4 * time.Second, "The same with channels, locks, sleep and select (mode all)"},
}

func newDemo() *cobra.Command {
	return &cobra.Command{
		Use:   "demo",
		Short: "Record a small workload with known faults and print the report",
		Long: `Runs a small shop whose faults are known (one slow cache among fast ones, busy
goroutines that make others late, deadlines, idle connections), records it and
prints the report: first its waits in the netpoller, then all of its waits.`,
		Args: atMost(0),
		RunE: func(c *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(c.Context(), os.Interrupt)
			defer stop()
			for i, d := range demoRuns {
				if i > 0 {
					fmt.Println()
				}
				fmt.Printf("== %s ==\n\n", d.title)
				if err := d.run(ctx); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// run starts the workload in a process of its own, records and reports it.
func (d demoRun) run(ctx context.Context) error {
	shop, err := startShop(ctx, d.mode)
	if err != nil {
		return err
	}
	err = d.record(ctx, shop.command.Process.Pid)
	return errors.Join(err, shop.stop())
}

func (d demoRun) record(ctx context.Context, pid int) error {
	flags := newRecordFlags()
	flags.target.pids = []int{pid}
	flags.mode, flags.duration, flags.reportOnly = d.mode, d.duration, true
	flags.maxOverhead = 0                // this program is there to be recorded,
	flags.follow = probes.FollowSilently // and not its peers
	return recordProcesses(ctx, flags, true)
}

// shop is the workload at work.
type shop struct {
	command *exec.Cmd
	stdin   io.Closer // ends it when it is closed
}

func startShop(ctx context.Context, mode wait.Mode) (*shop, error) {
	s := &shop{command: exec.CommandContext(ctx, "/proc/self/exe", "demo-workload", string(mode))}
	s.command.Stderr = os.Stderr
	stdin, err := s.command.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("starting the workload: %w", err)
	}
	stdout, err := s.command.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("starting the workload: %w", err)
	}
	s.stdin = stdin
	if err := s.command.Start(); err != nil {
		return nil, fmt.Errorf("starting the workload: %w", err)
	}
	if _, err := bufio.NewReader(stdout).ReadString('\n'); err != nil {
		return nil, errors.Join(fmt.Errorf("waiting for the workload to start: %w", err), s.stop())
	}
	return s, nil
}

func (s *shop) stop() error {
	return errors.Join(s.stdin.Close(), s.command.Wait())
}

// newWorkload is the command that demo starts: the shop.
func newWorkload() *cobra.Command {
	return &cobra.Command{
		Use: "demo-workload MODE", Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			self, err := os.Executable()
			if err != nil {
				return fmt.Errorf("finding our own executable: %w", err)
			}
			return workload.Run(untilClosed(c.Context(), os.Stdin), os.Stdout, workload.Options{
				Mode: workload.Mode(args[0]), Idle: workload.DefaultIdle, Peers: []string{self, "demo-peers"},
			})
		},
	}
}

// newPeers is the command that the shop starts: whoever it talks with.
func newPeers() *cobra.Command {
	return &cobra.Command{
		Use: "demo-peers", Hidden: true, Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return workload.Peers(c.Context(), os.Stdin, os.Stdout)
		},
	}
}

// untilClosed is a context that ends when there is no more to read.
func untilClosed(ctx context.Context, in io.Reader) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer cancel()
		// What it is that ends the input does not matter.
		_, _ = io.Copy(io.Discard, in)
	}()
	return ctx
}
