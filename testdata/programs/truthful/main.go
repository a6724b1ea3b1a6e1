// Command truthful waits in every way that a Go program can, at a moderate
// rate, while it traces itself: the ground truth for what a tracer beside it
// has seen.
//
// Command: run ROUNDS [TRACE]. Each kind of wait has a goroutine (or a few) of
// its own and happens ROUNDS times; the trace is written to the file TRACE.
// Result: how many reads and writes ended by a deadline, by a deadline in the
// past and by a close, which the trace does not tell apart. They are lower
// bounds: net/http interrupts its own reads too, and what still waits at the
// end is closed.
package main

import (
	"fmt"
	"net"
	"strconv"

	"github.com/netpolltrace/netpolltrace/testdata/cue"
)

// A kind is one way to wait.
type kind struct {
	name string
	run  func(rounds int) error
}

func kinds() []kind {
	return append(networkKinds(), otherKinds()...)
}

func main() {
	cue.Check(holdIdle())
	cue.Serve("", map[string]cue.Command{"run": run})
}

func run(args []string) (string, error) {
	if len(args) < 1 || len(args) > 2 {
		return "", fmt.Errorf("want rounds and perhaps a file, have %d arguments", len(args))
	}
	rounds, err := strconv.Atoi(args[0])
	if err != nil || rounds < 1 {
		return "", fmt.Errorf("%q is not a number of rounds", args[0])
	}
	traceFile := ""
	if len(args) == 2 {
		traceFile = args[1]
	}
	err = cue.Trace(traceFile, func() error { return runAll(rounds) })
	return fmt.Sprintf("timeout=%d interrupted=%d closed=%d", rounds*timeouts, rounds*interrupts, rounds*closes), err
}

// runAll runs all kinds side by side and returns one of their errors.
func runAll(rounds int) error {
	all := kinds()
	results := make(chan error, len(all))
	for _, k := range all {
		go func(k kind) {
			err := k.run(rounds)
			if err != nil {
				err = fmt.Errorf("%s: %w", k.name, err)
			}
			results <- err
		}(k)
	}
	var first error
	for range all {
		if err := <-results; err != nil && first == nil {
			first = err
		}
	}
	return first
}

// holdIdle leaves a goroutine in a read that no trace sees begin or end.
func holdIdle() error {
	near, _, err := tcpPair()
	if err != nil {
		return err
	}
	go func(conn net.Conn) { conn.Read(make([]byte, 1)) }(near)
	return nil
}
