// Command echo plays ping-pong over loopback as fast as it can: the load under
// which the price of probes is measured. Each connection has a goroutine at
// either end, in this process, and one message of one byte under way.
//
// Commands: run DURATION; its result is trips, seconds and trips a second. Or
// begin, and then end, which has that result.
package main

import (
	"flag"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/netpolltrace/netpolltrace/testdata/cue"
)

func main() {
	conns := flag.Int("conns", 8, "number of connections")
	traceFile := flag.String("trace", "", "write an execution trace of each run to this `file`")
	flag.Parse()
	clients, err := connect(*conns)
	cue.Check(err)
	var running *load
	cue.Serve("", map[string]cue.Command{
		"begin": func([]string) (string, error) {
			running = begin(clients)
			return "", nil
		},
		"end": func([]string) (string, error) { return running.end() },
		"run": func(args []string) (result string, err error) {
			if len(args) != 1 {
				return "", fmt.Errorf("want one duration, have %d arguments", len(args))
			}
			length, err := time.ParseDuration(args[0])
			if err != nil {
				return "", err
			}
			err = cue.Trace(*traceFile, func() error {
				load := begin(clients)
				time.Sleep(length)
				result, err = load.end()
				return err
			})
			return result, err
		},
	})
}

// connect opens n connections to a server of its own.
func connect(n int) ([]net.Conn, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer listener.Close()
	clients := make([]net.Conn, n)
	for i := range clients {
		if clients[i], err = net.Dial("tcp", listener.Addr().String()); err != nil {
			return nil, err
		}
		accepted, err := listener.Accept()
		if err != nil {
			return nil, err
		}
		go serve(accepted)
	}
	return clients, nil
}

func serve(conn net.Conn) {
	defer conn.Close()
	message := make([]byte, 1)
	for {
		if _, err := io.ReadFull(conn, message); err != nil {
			return
		}
		if _, err := conn.Write(message); err != nil {
			return
		}
	}
}

// load is ping-pong on all connections.
type load struct {
	trips    int64
	over     int32
	running  sync.WaitGroup
	failures chan error
	began    time.Time
}

func begin(clients []net.Conn) *load {
	l := &load{failures: make(chan error, len(clients)), began: time.Now()}
	for _, conn := range clients {
		l.running.Add(1)
		go func(conn net.Conn) {
			defer l.running.Done()
			n, err := pingPong(conn, &l.over)
			atomic.AddInt64(&l.trips, n)
			if err != nil {
				l.failures <- err
			}
		}(conn)
	}
	return l
}

// end ends it, and is to be called once.
func (l *load) end() (string, error) {
	atomic.StoreInt32(&l.over, 1)
	l.running.Wait()
	seconds := time.Since(l.began).Seconds()
	select {
	case err := <-l.failures:
		return "", err
	default:
	}
	return fmt.Sprintf("trips=%d seconds=%.3f rate=%.0f", l.trips, seconds, float64(l.trips)/seconds), nil
}

func pingPong(conn net.Conn, over *int32) (trips int64, err error) {
	message := make([]byte, 1)
	for atomic.LoadInt32(over) == 0 {
		if _, err := conn.Write(message); err != nil {
			return trips, err
		}
		if _, err := io.ReadFull(conn, message); err != nil {
			return trips, err
		}
		trips++
	}
	return trips, nil
}
