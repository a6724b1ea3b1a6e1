// Command whisper talks to itself, once a millisecond, over a unix socket whose
// path is its argument, whatever bytes that consists of.
package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/netpolltrace/netpolltrace/testdata/cue"
)

func main() {
	if len(os.Args) != 2 {
		cue.Check(fmt.Errorf("want the path of a socket, have %d arguments", len(os.Args)-1))
	}
	listener, err := net.Listen("unix", os.Args[1])
	cue.Check(err)
	go func() {
		conn, err := listener.Accept()
		cue.Check(err)
		_, err = io.Copy(conn, conn)
		cue.Check(err)
	}()
	conn, err := net.Dial("unix", os.Args[1])
	cue.Check(err)
	go whisper(conn)
	cue.Serve("", nil)
}

func whisper(conn net.Conn) {
	word := []byte("psst")
	for {
		_, err := conn.Write(word)
		cue.Check(err)
		_, err = io.ReadFull(conn, word)
		cue.Check(err)
		time.Sleep(time.Millisecond)
	}
}
