package main

import (
	"sync"
	"time"
)

func otherKinds() []kind {
	return []kind{
		{"channel receive", channelReceive},
		{"channel send", channelSend},
		{"select", selectOfTwo},
		{"sleep", sleep},
		{"mutex", mutexLock},
		{"read lock", readLock},
		{"cond", condWait},
		{"wait group", waitGroup},
	}
}

func channelReceive(rounds int) error {
	ticks := make(chan int)
	go func() {
		defer close(ticks)
		for i := 0; i < rounds; i++ {
			time.Sleep(pause)
			ticks <- i
		}
	}()
	for range ticks {
	}
	return nil
}

func channelSend(rounds int) error {
	work := make(chan int)
	go func() {
		for range work {
			time.Sleep(pause)
		}
	}()
	for i := 0; i < rounds; i++ {
		work <- i
	}
	close(work)
	return nil
}

func selectOfTwo(rounds int) error {
	quick := time.NewTicker(pause)
	defer quick.Stop()
	slow := time.NewTicker(10 * pause)
	defer slow.Stop()
	for i := 0; i < rounds; i++ {
		select {
		case <-quick.C:
		case <-slow.C:
		}
	}
	return nil
}

func sleep(rounds int) error {
	for i := 0; i < rounds; i++ {
		time.Sleep(pause)
	}
	return nil
}

func mutexLock(rounds int) error {
	var mutex sync.Mutex
	return contend(rounds, &mutex, &mutex)
}

func readLock(rounds int) error {
	var mutex sync.RWMutex
	return contend(rounds, &mutex, mutex.RLocker())
}

// contend holds one lock for a while again and again, while another goroutine
// wants the other.
func contend(rounds int, held, wanted sync.Locker) error {
	over := make(chan struct{})
	go func() {
		defer close(over)
		for i := 0; i < rounds; i++ {
			wanted.Lock()
			wanted.Unlock()
		}
	}()
	for {
		select {
		case <-over:
			return nil
		default:
			held.Lock()
			time.Sleep(pause)
			held.Unlock()
		}
	}
}

func condWait(rounds int) error {
	var mutex sync.Mutex
	cond := sync.NewCond(&mutex)
	round := 0
	go func() {
		for i := 0; i < rounds; i++ {
			time.Sleep(pause)
			mutex.Lock()
			round++
			mutex.Unlock()
			cond.Signal()
		}
	}()
	mutex.Lock()
	defer mutex.Unlock()
	for round < rounds {
		cond.Wait()
	}
	return nil
}

func waitGroup(rounds int) error {
	for i := 0; i < rounds; i++ {
		var group sync.WaitGroup
		group.Add(1)
		go func() {
			defer group.Done()
			time.Sleep(pause)
		}()
		group.Wait()
	}
	return nil
}
