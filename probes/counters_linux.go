package probes

import (
	"github.com/netpolltrace/netpolltrace/bpf"
	"github.com/netpolltrace/netpolltrace/wait"
)

// counts are the kernel's counters of a process, summed over all CPUs.
type counts [bpf.WaitsCounterCOUNTERS]uint64

func (c *counts) add(more *counts) {
	for i, n := range more {
		c[i] += n
	}
}

// shortfall is a counter that says what a recording does not have.
type shortfall struct {
	counter bpf.WaitsCounter
	kind    wait.EventKind
	note    string
}

// shortfalls is every way in which something is not recorded. Each report shows
// those that are not zero; the notes end with what to do.
var shortfalls = []shortfall{
	{bpf.WaitsCounterLOST_RING, wait.EventLost,
		"waits that ended while the ring buffer was full: give a larger --ring-buffer"},
	{bpf.WaitsCounterLOST_SLOT, wait.EventLost,
		"waits of goroutines that had no room: give a larger --max-goroutines"},
	{bpf.WaitsCounterLOST_RESUME, wait.EventLost,
		"waits whose end was not seen: the goroutine parked again first"},
	{bpf.WaitsCounterNO_GOID, wait.EventLost,
		"waits of goroutines that could not be read"},
	{bpf.WaitsCounterNO_STACK_ROOM, wait.EventIncomplete,
		"waits without a stack, since there were too many different ones: give a larger --max-stacks"},
	{bpf.WaitsCounterNO_FD_ROOM, wait.EventIncomplete,
		"waits without socket and split, since there were too many descriptors: give a larger --max-fds"},
	{bpf.WaitsCounterNO_SOCKET_RECORD, wait.EventIncomplete,
		"descriptions of sockets that did not fit into the ring buffer: give a larger --ring-buffer"},
	{bpf.WaitsCounterNO_HANDOFF_RECORD, wait.EventIncomplete,
		"handoffs that did not fit into the ring buffer: give a larger --ring-buffer"},
	{bpf.WaitsCounterNO_EXEC_RECORD, wait.EventIncomplete,
		"programs that children started, not seen while the ring buffer was full: give a larger --ring-buffer"},
}

func (c *counts) sum(of []bpf.WaitsCounter) uint64 {
	var n uint64
	for _, counter := range of {
		n += c[counter]
	}
	return n
}
