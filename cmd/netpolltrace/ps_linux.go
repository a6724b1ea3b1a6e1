package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/netpolltrace/netpolltrace/gobinary"
	"github.com/netpolltrace/netpolltrace/process"
	"github.com/netpolltrace/netpolltrace/report"
	"github.com/netpolltrace/netpolltrace/report/render"
	"github.com/netpolltrace/netpolltrace/wait"
)

func newPs() *cobra.Command {
	var target targetFlags
	o := reportOptions{snapshot: true}
	c := &cobra.Command{
		Use:   "ps -p PID,... | --name NAME",
		Short: "Print which goroutines wait now, and on what",
		Long: `Prints which goroutines of Go programs wait now, on what, and where, grouped by
reason, peer and stack; system calls too. It reads the programs' memory from
outside: without BPF, without stopping anything, and with no more rights than ptrace
requires, which the programs' own user has on most machines.

--by and --filter take what is known of a goroutine that waits now; how long it has
waited already is not:
` + wordList(report.SnapshotNames()),
		Example: `  netpolltrace ps -p 4171
  netpolltrace ps --name checkout-api --by peer
  netpolltrace ps -p 4171 --filter 'reason == "syscall"'`,
		RunE: func(_ *cobra.Command, args []string) error {
			target.argument(args)
			f, err := target.find()
			if err != nil {
				return err
			}
			return printWaiting(f, o)
		},
		Args: atMost(1),
	}
	target.add(c.Flags())
	c.Flags().StringVar(&o.by, "by", "", "group by these `KEYS`, separated by commas (default reason,peer,stack)")
	c.Flags().Var(&o.top, "top", "show `N` rows; -1: all (default 20)")
	c.Flags().StringVar(&o.filter, "filter", "", "show only goroutines for which this `EXPRESSION` holds")
	return c
}

// printWaiting prints one table about all processes.
func printWaiting(f *found, o reportOptions) error {
	format, err := render.ByName("open")
	if err != nil {
		return err
	}
	r, err := newReporter(format, o)
	if err != nil {
		return err
	}
	headers, err := use(f, f.pids, say, func(pid int) (string, error) {
		return addWaiting(r, pid)
	})
	if err != nil {
		return err
	}
	fmt.Println(strings.Join(headers, "\n") + "\n")
	return r.print("")
}

// addWaiting adds who waits in a process, and says how many they are.
func addWaiting(r *reporter, pid int) (header string, err error) {
	p, err := process.Open(pid)
	if err != nil {
		return "", err
	}
	defer p.Close()
	waits, snapshot, err := waiting(p)
	if err != nil {
		return "", err
	}
	for i := range waits {
		if err := r.Wait(&waits[i]); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%s  pid %d  %s of %s goroutines wait", render.Printable(p.Name), p.PID,
		report.FormatCount(uint64(len(waits))), report.FormatCount(uint64(len(snapshot.Goroutines)))), nil
}

// waiting takes a snapshot of who waits.
func waiting(p *process.Process) ([]wait.Wait, *process.Snapshot, error) {
	binary, err := gobinary.Open(p.ExePath())
	if err != nil {
		return nil, nil, fmt.Errorf("process %d (%s): %w", p.PID, p.Name, err)
	}
	defer binary.Close()
	bias, err := p.Bias(binary)
	if err != nil {
		return nil, nil, err
	}
	snapshot, err := p.Goroutines(binary)
	if err != nil {
		return nil, nil, err
	}
	endpoints, err := p.Endpoints()
	if err != nil {
		return nil, nil, err
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, nil, fmt.Errorf("reading this machine's name: %w", err)
	}
	identity := &wait.Process{Host: host, Name: p.Name, PID: int32(p.PID)}
	symbols := process.NewSymbolizer(binary, bias)
	symbols.UsePlugins(p)
	return snapshot.Waits(symbols, endpoints, identity, time.Now()), snapshot, nil
}
