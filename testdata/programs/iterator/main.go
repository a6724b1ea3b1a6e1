//go:build go1.23
// +build go1.23

// Command iterator pulls values from an iterator whose body waits for each.
//
// Command: run ROUNDS. The body sleeps a millisecond for each of ROUNDS values,
// in the goroutine that iter.Pull makes for it.
package main

import (
	"fmt"
	"iter"
	"strconv"
	"time"

	"github.com/netpolltrace/netpolltrace/testdata/cue"
)

func main() {
	cue.Serve("", map[string]cue.Command{"run": run})
}

func run(args []string) (string, error) {
	if len(args) != 1 {
		return "", fmt.Errorf("want rounds, have %d arguments", len(args))
	}
	rounds, err := strconv.Atoi(args[0])
	if err != nil {
		return "", err
	}
	next, stop := iter.Pull(slowly(rounds))
	defer stop()
	for want := 0; want < rounds; want++ {
		if got, ok := next(); !ok || got != want {
			return "", fmt.Errorf("the iterator returned %d, %t; want %d", got, ok, want)
		}
	}
	return "", nil
}

func slowly(count int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := 0; i < count; i++ {
			time.Sleep(time.Millisecond)
			if !yield(i) {
				return
			}
		}
	}
}
