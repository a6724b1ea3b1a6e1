package main

import (
	"fmt"
	"runtime"
	"sync"
	"time"
)

// The goroutines of a crowd come and go within crowdTime, so that two crowds at
// a time are ten thousand goroutines a second where there is the CPU for it.
const (
	crowdSize = 50
	crowdTime = 10 * time.Millisecond
)

// crowd starts goroutines that pass a sum along channels, and end.
func crowd(seed uint64) error {
	begun := time.Now()
	first := make(chan uint64)
	in := first
	var waiting sync.WaitGroup
	for i := uint64(0); i < crowdSize; i++ {
		out := make(chan uint64)
		waiting.Add(1)
		go func(in, out chan uint64, i uint64) {
			defer waiting.Done()
			out <- <-in + i
		}(in, out, i)
		in = out
	}
	first <- seed
	if sum, want := <-in, seed+crowdSize*(crowdSize-1)/2; sum != want {
		return fmt.Errorf("the sum is %d, want %d", sum, want)
	}
	waiting.Wait()
	time.Sleep(crowdTime - time.Since(begun))
	return nil
}

// link is an element of a list that only the list's own pointers keep alive.
type link struct {
	value uint64
	next  *link
	bulk  [10]uint64
}

// collect makes garbage and what is none between it, and collects the garbage.
func collect(seed uint64) error {
	var list *link
	for i := uint64(0); i < 1000; i++ {
		list = &link{value: seed ^ i, next: list}
		list.bulk[i%10] = i
	}
	runtime.GC()
	for i := uint64(1000); i > 0; i-- {
		if list.value != seed^(i-1) || list.bulk[(i-1)%10] != i-1 {
			return fmt.Errorf("element %d holds %d and %v", i-1, list.value, list.bulk)
		}
		list = list.next
	}
	if list != nil {
		return fmt.Errorf("the list is longer than it was made")
	}
	return nil
}
