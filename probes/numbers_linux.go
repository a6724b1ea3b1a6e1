package probes

import "fmt"

// numbers gives processes their numbers. The low part of a number is an index,
// which no two processes have at a time; the rest changes each time that the
// index is given out, so that what comes late of a process that is gone is not
// taken for its successor's. A number fits into the 16 bits that addresses
// leave in a key, and is never 0.
type numbers struct {
	indexes int // as many as there are in the kernel's arrays
	free    []uint32
	rounds  []uint32 // by index: how often it was given out
}

// maxRounds is how often an index is given out before its numbers come again.
const maxRounds = 1<<(64-addressBits)/maxProcesses - 1

// maxProcesses is how many indexes there are (MAX_PROCESSES in records.h).
const maxProcesses = 256

func newNumbers(limit int) *numbers {
	n := &numbers{rounds: make([]uint32, maxProcesses)}
	for i := range min(limit, maxProcesses) {
		n.free = append(n.free, uint32(i))
	}
	n.indexes = len(n.free)
	return n
}

// take gives out a number. Of all that are free it takes the index that has
// been so for longest.
func (n *numbers) take() (uint32, error) {
	if len(n.free) == 0 {
		return 0, fmt.Errorf("%d processes are recorded already: give a larger --max-processes (up to %d)", n.indexes, maxProcesses)
	}
	index := n.free[0]
	n.free = n.free[1:]
	n.rounds[index] = n.rounds[index]%maxRounds + 1
	return n.rounds[index]*maxProcesses + index, nil
}

// indexOf is where the kernel's arrays have the process with a number.
func indexOf(number uint32) uint32 { return number % maxProcesses }

// giveBack makes the index of a number free.
func (n *numbers) giveBack(number uint32) { n.free = append(n.free, indexOf(number)) }
