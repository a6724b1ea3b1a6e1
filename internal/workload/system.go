//go:build !windows

package workload

import (
	"context"
	"fmt"
	"syscall"
	"time"
)

// filesForOthers is how many descriptors are left for all but idle connections.
const filesForOthers = 200

// idleConns is how many idle connections of those wanted the limit on open
// files allows. Go raises the soft limit to the hard one when a program starts.
func idleConns(wanted int) (int, error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("reading the limit on open files: %w", err)
	}
	most := uint64(limit.Cur)
	switch {
	case wanted <= 0 || most <= filesForOthers:
		return 0, nil
	case most-filesForOthers < uint64(wanted):
		return int(most - filesForOthers), nil
	default:
		return wanted, nil
	}
}

// longestThought bounds how long a server's thread is held.
const longestThought = 100 * time.Millisecond

// think is a pause that is exact: Go's own timers are late by up to a
// millisecond when a program has nothing else to do, since that is the unit in
// which it waits for the network.
func think(ctx context.Context, d time.Duration) bool {
	if d > longestThought {
		return pause(ctx, d)
	}
	left := syscall.NsecToTimeval(int64(d))
	// An interruption by a signal makes one answer early.
	syscall.Select(0, nil, nil, nil, &left)
	return ctx.Err() == nil
}
