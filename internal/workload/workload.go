// Package workload is the program that "netpolltrace demo" records: a little
// shop whose faults are known, side by side, each in a file and a function of
// its own. The servers that it talks with run in a second process, so that a
// recording shows one side of each conversation, as in real life.
//
// It knows nothing of being recorded. Faults, which the tests have, says what a
// recording of it must show. It is written in Go 1.18 with the standard library
// alone, so that each release of Go can build it: testdata/workload is a link to here.
package workload

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"sync"
)

// Mode says which kinds of waits are shown.
type Mode string

// The modes, called as those of a recording.
const (
	ModeIO  Mode = "io"  // only waits that the netpoller ends
	ModeAll Mode = "all" // also channels, locks, sleep, select
)

// DefaultIdle is a number of idle connections that drowns a plain sum.
const DefaultIdle = 2000

// Options say how to run the workload.
type Options struct {
	Mode Mode
	// Idle is how many idle connections to hold, at most: fewer where the limit
	// on open files is lower.
	Idle int
	// Peers is the command, an executable and its arguments, that runs [Peers]
	// in a process of its own.
	Peers []string
}

// An activity is a part of the shop's work. It returns when the context ends,
// with an error or without, and leaves no goroutine behind.
type activity struct {
	name string
	mode Mode // the smallest mode that shows it
	run  func(context.Context, *peers) error
}

func activities() []activity {
	return []activity{
		{"shopping carts", ModeIO, fillCarts},
		{"orders", ModeIO, takeOrders},
		{"stock and invoices", ModeIO, checkStockDuringInvoices},
		{"push messages", ModeIO, awaitPushes},
		{"receipts", ModeIO, sendReceipts},
		{"name lookups", ModeIO, lookUpNames},
		{"audit log", ModeIO, auditSales},
		{"quotes", ModeIO, fetchQuotes},
		{"log pipe", ModeIO, followLog},
		{"parcels", ModeAll, packParcels},
		{"ledger", ModeAll, keepLedger},
		{"retries", ModeAll, retryLater},
		{"alarms", ModeAll, watchAlarms},
		{"inventory", ModeAll, takeInventory},
		{"prices", ModeAll, priceOrders},
		{"archive", ModeAll, searchArchive},
		{"journal", ModeAll, keepJournal},
	}
}

// Run runs the workload until the context ends, and returns when nothing of it
// is left. When all is set up it writes one line, "ready idle=N", where N is
// the number of idle connections. It needs no rights and uses loopback only.
//
// It lowers GOMAXPROCS while it runs: its busy goroutines are to make its other
// goroutines late, not the whole machine.
func Run(ctx context.Context, w io.Writer, options Options) error {
	err := run(ctx, w, options)
	if ctx.Err() != nil {
		return nil // what breaks when the end was asked for is no error
	}
	return err
}

func run(ctx context.Context, w io.Writer, options Options) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(processors()))
	idle, err := idleConns(options.Idle)
	if err != nil {
		return err
	}
	var held closers
	peers, err := startPeers(options.Peers, &held)
	if err != nil {
		return err
	}
	defer peers.close()
	front, err := openFront(ctx, &held)
	if err != nil {
		return err
	}
	defer front.close()
	var running group
	defer running.Wait()
	defer held.closeAll()
	defer cancel()

	if err := peers.order(order{Shop: front.shopAddr(), Sessions: front.sessionsAddr(), Idle: idle}); err != nil {
		return err
	}
	if err := front.awaitSessions(ctx, idle); err != nil {
		return err
	}
	failed := startActivities(ctx, &running, peers, options.Mode)
	if _, err := fmt.Fprintf(w, "ready idle=%d\n", idle); err != nil {
		return fmt.Errorf("saying that the workload is ready: %w", err)
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-failed:
		return err
	}
}

// processors is one less than there are, but no more than two.
func processors() int {
	if runtime.NumCPU() > 2 {
		return 2
	}
	return 1
}

// startActivities returns where the first error of an activity can be read.
func startActivities(ctx context.Context, running *group, peers *peers, mode Mode) <-chan error {
	all := activities()
	failed := make(chan error, len(all))
	for _, a := range all {
		a := a
		if a.mode == ModeAll && mode != ModeAll {
			continue
		}
		running.Go(func() {
			if err := a.run(ctx, peers); err != nil {
				failed <- fmt.Errorf("running the workload's %s: %w", a.name, err)
			}
		})
	}
	return failed
}

// crew runs a function in n goroutines, numbered from 0, and returns the first
// error when all have ended. They must end with their context, which ends as well
// when one of them returns.
func crew(ctx context.Context, n int, work func(ctx context.Context, number int) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make(chan error, n)
	for i := 0; i < n; i++ {
		go func(number int) {
			err := work(ctx, number)
			cancel()
			errs <- err
		}(i)
	}
	var first error
	for i := 0; i < n; i++ {
		if err := <-errs; first == nil {
			first = err
		}
	}
	return first
}

// group is a sync.WaitGroup that starts goroutines.
type group struct{ sync.WaitGroup }

// Go runs a function in a goroutine of its own.
func (g *group) Go(work func()) {
	g.Add(1)
	go func() {
		defer g.Done()
		work()
	}()
}
