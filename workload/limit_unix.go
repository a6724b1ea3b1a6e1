//go:build unix

package workload

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// filesForOthers is how many descriptors are left for all but idle connections.
const filesForOthers = 200

// idleConns is how many idle connections of those wanted the limit on open
// files allows. Go raises the soft limit to the hard one when a program starts.
func idleConns(wanted int) (int, error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("reading the limit on open files: %w", err)
	}
	free := uint64(limit.Cur) - min(filesForOthers, uint64(limit.Cur))
	return int(min(free, uint64(max(0, wanted)))), nil
}
