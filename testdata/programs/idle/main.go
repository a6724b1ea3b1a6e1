// Command idle holds connections on which nothing happens, both ends in this
// process: the keep-alive connections of a server at night. A goroutine reads
// at either end, so that -conns N are 2 N goroutines in IO wait.
//
// It has no commands. Said when ready: the listener's address.
package main

import (
	"flag"
	"fmt"
	"net"
	"sync"

	"github.com/netpolltrace/netpolltrace/testdata/cue"
)

func main() {
	conns := flag.Int("conns", 100, "number of connections")
	flag.Parse()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	cue.Check(err)
	var reading sync.WaitGroup
	for i := 0; i < *conns; i++ {
		dialed, err := net.Dial("tcp", listener.Addr().String())
		cue.Check(err)
		accepted, err := listener.Accept()
		cue.Check(err)
		reading.Add(2)
		go readDialed(dialed, &reading)
		go readAccepted(accepted, &reading)
	}
	// Each goroutine is in its read or about to enter it.
	reading.Wait()
	cue.Serve(fmt.Sprintf("addr=%s", listener.Addr()), nil)
}

func readDialed(conn net.Conn, reading *sync.WaitGroup) {
	reading.Done()
	conn.Read(make([]byte, 1))
}

func readAccepted(conn net.Conn, reading *sync.WaitGroup) {
	reading.Done()
	conn.Read(make([]byte, 1))
}
