// Command stress does at once, and without a pause, what is hard on whoever
// looks into a Go program: stacks that grow and move while a goroutine waits in
// the middle of them, garbage collections one after the other, thousands of
// goroutines a second that live for one wait, deadlines that expire, sockets
// that are closed under their reader, threads that end. All of it checks its
// own data.
//
// Commands:
//
//	check   how much has been done, or the first thing that was wrong
//	exec    checks, and replaces itself by itself; says ready again
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/netpolltrace/netpolltrace/testdata/cue"
)

// work is one kind of stress: each call does some and checks it.
type work struct {
	name string
	do   func(seed uint64) error
	done uint64 // calls so far
}

// stress is all kinds of work.
type stress struct {
	mutex   sync.Mutex
	failure error // the first
	works   []*work
}

func main() {
	generation := 0
	if len(os.Args) > 1 {
		var err error
		generation, err = strconv.Atoi(os.Args[1])
		cue.Check(err)
	}
	echoes, err := listen()
	cue.Check(err)
	s := &stress{works: []*work{
		{name: "exchanges", do: echoes.exchange},
		{name: "deep", do: echoes.deep},
		{name: "expired", do: echoes.expire},
		{name: "closed", do: echoes.closeUnder},
		{name: "goroutines", do: crowd},
		{name: "collections", do: collect},
		{name: "threads", do: endThread},
	}}
	for _, w := range s.works {
		// Two of each meet each other in the pool of goroutines and stacks.
		for i := uint64(0); i < 2; i++ {
			go s.keepDoing(w, i)
		}
	}
	cue.Serve(fmt.Sprintf("generation=%d", generation), map[string]cue.Command{
		"check": func([]string) (string, error) { return s.check() },
		"exec": func([]string) (string, error) {
			if _, err := s.check(); err != nil {
				return "", err
			}
			return "", replace(generation + 1)
		},
	})
}

func (s *stress) keepDoing(w *work, seed uint64) {
	for ; ; seed += 2 {
		if err := w.do(seed); err != nil {
			s.fail(fmt.Errorf("%s: %w", w.name, err))
			return
		}
		atomic.AddUint64(&w.done, 1)
	}
}

func (s *stress) fail(err error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.failure == nil {
		s.failure = err
	}
}

// check waits until each kind of work has been done once more.
func (s *stress) check() (string, error) {
	words := ""
	for _, w := range s.works {
		for before := atomic.LoadUint64(&w.done); atomic.LoadUint64(&w.done) == before; {
			s.mutex.Lock()
			failure := s.failure
			s.mutex.Unlock()
			if failure != nil {
				return "", failure
			}
			time.Sleep(time.Millisecond)
		}
		words += fmt.Sprintf("%s=%d ", w.name, atomic.LoadUint64(&w.done))
	}
	return words, nil
}

func replace(generation int) error {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	return syscall.Exec(exe, []string{exe, strconv.Itoa(generation)}, os.Environ())
}

// endThread ends a thread: that of a goroutine that ends while locked to it.
func endThread(uint64) error {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		runtime.LockOSThread()
	}()
	<-ended
	time.Sleep(time.Millisecond)
	return nil
}
