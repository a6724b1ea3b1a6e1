package main

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// workBesideBusyLoops has one processor, which a worker shares with three
// goroutines that compute all the time.
func workBesideBusyLoops(p *peers, measured *clock) error {
	conn, err := p.dialDB()
	if err != nil {
		return err
	}
	defer conn.Close()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var over atomic.Bool
	var loops sync.WaitGroup
	defer loops.Wait()
	defer over.Store(true)
	for range 3 {
		loops.Go(func() {
			for !over.Load() {
			}
		})
	}
	worker := last(func() error {
		compute()
		return query(conn, time.Millisecond)
	})
	defer close(worker)
	for range 20 {
		if err := ask(worker, measured); err != nil {
			return err
		}
	}
	return nil
}

// compute takes some milliseconds, so that it is interrupted now and then.
func compute() {
	var sum atomic.Int64
	for range 4_000_000 {
		sum.Add(1)
	}
}
