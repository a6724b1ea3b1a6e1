// Command wakers has goroutines end each other's waits, in ways that it tells: a
// tracer has to say who did it and where, what that one did before, and where a
// timer did it.
//
// Commands: send, late, deadline, channel and busy ROUNDS [TRACE]. Each has
// goroutines of its own wait. Result: their goids, those of who ends their
// waits, and the lines at which things happen.
package main

import (
	"context"
	"fmt"
	"runtime"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/netpolltrace/netpolltrace/testdata/cue"
)

func main() {
	cue.Serve("", map[string]cue.Command{
		"send":     send,
		"late":     late,
		"deadline": deadline,
		"channel":  channel,
		"busy":     busy,
	})
}

// lineBefore is the line before that of its caller.
func lineBefore() int {
	_, _, line, _ := runtime.Caller(1)
	return line - 1
}

// waiter is a goroutine that waits for messages until the channel is closed.
type waiter struct {
	goid     uint64
	messages chan int
	done     chan struct{}
	creator  int // line
}

func newWaiter() *waiter {
	w := &waiter{messages: make(chan int), done: make(chan struct{})}
	goids := make(chan uint64)
	go w.wait(goids)
	w.creator = lineBefore()
	w.goid = <-goids
	return w
}

func (w *waiter) wait(goids chan<- uint64) {
	goids <- cue.Goid()
	for range w.messages {
	}
	close(w.done)
}

func (w *waiter) awaitParked() { cue.AwaitParked(w.goid, "chan receive") }

// end ends the goroutine.
func (w *waiter) end() {
	close(w.messages)
	<-w.done
}

// send has two lines of one goroutine send to a waiter, in turns.
func send([]string) (string, error) {
	const rounds = 20
	w := newWaiter()
	var first, second int
	for i := 0; i < rounds; i++ {
		first = w.sendFirst()
		second = w.sendSecond()
	}
	w.end()
	return fmt.Sprintf("goid=%d creator_line=%d parent=%d waker=%d first_line=%d second_line=%d rounds=%d",
		w.goid, w.creator, cue.Goid(), cue.Goid(), first, second, rounds), nil
}

func (w *waiter) sendFirst() (line int) {
	w.awaitParked()
	w.messages <- 1
	return lineBefore()
}

func (w *waiter) sendSecond() (line int) {
	w.awaitParked()
	w.messages <- 2
	return lineBefore()
}

// late has goroutines end waits that were not there when these began.
func late([]string) (string, error) {
	const rounds = 10
	w := newWaiter()
	for i := 0; i < rounds; i++ {
		w.awaitParked()
		sent := make(chan struct{})
		go func() {
			w.messages <- 1
			close(sent)
		}()
		<-sent
	}
	w.end()
	return fmt.Sprintf("goid=%d parent=%d rounds=%d", w.goid, cue.Goid(), rounds), nil
}

// onItsOwn has a goroutine of its own do something, and tells its goid.
func onItsOwn(wait func()) string {
	done := make(chan uint64)
	go func() {
		wait()
		done <- cue.Goid()
	}()
	return fmt.Sprintf("goid=%d", <-done)
}

// deadline waits for the deadline of a context.
func deadline([]string) (string, error) {
	return onItsOwn(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		defer cancel()
		<-ctx.Done()
	}), nil
}

// channel waits for a message of a timer.
func channel([]string) (string, error) {
	return onItsOwn(func() { <-time.After(20 * time.Millisecond) }), nil
}

// busy has a goroutine compute before it sends to a waiter, on one processor,
// beside two others that compute all the time.
func busy(args []string) (result string, err error) {
	if len(args) < 1 || len(args) > 2 {
		return "", fmt.Errorf("want rounds and perhaps a file, have %d arguments", len(args))
	}
	rounds, err := strconv.Atoi(args[0])
	if err != nil {
		return "", err
	}
	trace := ""
	if len(args) > 1 {
		trace = args[1]
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	err = cue.Trace(trace, func() error {
		result = computeBesideOthers(rounds)
		return nil
	})
	return result, err
}

func computeBesideOthers(rounds int) string {
	var over int32
	for i := 0; i < 2; i++ {
		go func() {
			for atomic.LoadInt32(&over) == 0 {
				compute(time.Millisecond)
			}
		}()
	}
	w := newWaiter()
	done := make(chan uint64)
	go func() {
		for i := 0; i < rounds; i++ {
			compute(30 * time.Millisecond)
			w.messages <- 1
			time.Sleep(time.Millisecond)
		}
		done <- cue.Goid()
	}()
	worker := <-done
	atomic.StoreInt32(&over, 1)
	w.end()
	return fmt.Sprintf("goid=%d waker=%d rounds=%d", w.goid, worker, rounds)
}

// compute keeps the processor busy for a time.
func compute(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); {
	}
}
