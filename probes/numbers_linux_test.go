package probes

import (
	"testing"

	"github.com/netpolltrace/netpolltrace/bpf"
)

func TestNumbersAreNeitherZeroNorUsedAgainSoon(t *testing.T) {
	const limit = 3
	n := newNumbers(limit)
	seen := make(map[uint32]bool)
	for range limit * maxRounds {
		number, err := n.take()
		if err != nil {
			t.Fatal(err)
		}
		if number == 0 || number >= 1<<(64-addressBits) || seen[number] {
			t.Fatalf("number %d after %d others", number, len(seen))
		}
		if key := keyOf(number, 1<<addressBits-1); numberOf(key) != number {
			t.Fatalf("the key of process %d is that of %d", number, numberOf(key))
		}
		seen[number] = true
		n.giveBack(number)
	}
}

func TestNoTwoProcessesHaveAnIndex(t *testing.T) {
	const limit = 4
	n := newNumbers(limit)
	taken := make(map[uint32]bool)
	for range limit {
		number, err := n.take()
		if err != nil {
			t.Fatal(err)
		}
		taken[indexOf(number)] = true
	}
	if _, err := n.take(); err == nil || len(taken) != limit {
		t.Errorf("%d processes have %d indexes", limit, len(taken))
	}
}

func TestTheKernelHasAsManyIndexes(t *testing.T) {
	spec, err := bpf.LoadWaits()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{bpf.WaitsMapConfigs, bpf.WaitsMapCounters, bpf.WaitsMapTargets} {
		if n := spec.Maps[name].MaxEntries; n != maxProcesses {
			t.Errorf("map %s has room for %d processes, want %d", name, n, maxProcesses)
		}
	}
}
