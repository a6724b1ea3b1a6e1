// Command threads waits on many threads: each goroutine that asks is locked to
// a thread of its own, so that its waits end on that thread. A probe that sees
// the process's first thread alone sees next to nothing of it.
//
// Command: run ROUNDS. Result: how many goroutines asked, and all their rounds.
package main

import (
	"flag"
	"fmt"
	"io"
	"net"
	"runtime"
	"strconv"
	"time"

	"github.com/netpolltrace/netpolltrace/testdata/cue"
)

// delay is how late the peers answer: long enough for who asks to park.
const delay = time.Millisecond

func main() {
	threads := flag.Int("threads", 32, "number of threads that ask")
	flag.Parse()
	asking := make([]chan int, *threads)
	asked := make(chan error)
	for i := range asking {
		asking[i] = make(chan int)
		conn, err := dialPeer()
		cue.Check(err)
		go serve(conn, asking[i], asked)
	}
	cue.Serve(fmt.Sprintf("threads=%d", *threads), map[string]cue.Command{
		"run": func(args []string) (string, error) {
			if len(args) != 1 {
				return "", fmt.Errorf("want a number of rounds, have %d arguments", len(args))
			}
			rounds, err := strconv.Atoi(args[0])
			if err != nil {
				return "", err
			}
			return fmt.Sprintf("threads=%d waits=%d", *threads, *threads*rounds), run(asking, asked, rounds)
		},
	})
}

// run has every thread ask at a time, and returns one of their errors.
func run(asking []chan int, asked <-chan error, rounds int) error {
	for _, start := range asking {
		start <- rounds
	}
	var first error
	for range asking {
		if err := <-asked; err != nil && first == nil {
			first = err
		}
	}
	return first
}

func serve(conn net.Conn, start <-chan int, done chan<- error) {
	runtime.LockOSThread()
	for rounds := range start {
		done <- ask(conn, rounds)
	}
}

func ask(conn net.Conn, rounds int) error {
	message := make([]byte, 1)
	for i := 0; i < rounds; i++ {
		if _, err := conn.Write(message); err != nil {
			return err
		}
		if _, err := io.ReadFull(conn, message); err != nil {
			return err
		}
	}
	return nil
}

// dialPeer connects to a goroutine that answers each byte after the delay.
func dialPeer() (net.Conn, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer listener.Close()
	near, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		return nil, err
	}
	far, err := listener.Accept()
	if err != nil {
		return nil, err
	}
	go answer(far)
	return near, nil
}

func answer(conn net.Conn) {
	message := make([]byte, 1)
	for {
		if _, err := io.ReadFull(conn, message); err != nil {
			return
		}
		time.Sleep(delay)
		if _, err := conn.Write(message); err != nil {
			return
		}
	}
}
