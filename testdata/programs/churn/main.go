// Command churn opens and closes connections as fast as it can, so that
// descriptors, goroutines and the runtime's pollDescs are reused at once. Each
// connection carries its number, and both ends check it.
//
// Command: run CONNECTIONS FILE. The file gets one line for each end of each
// connection, five words: goid, fd, role (dialed or accepted), local and peer
// address. A goroutine serves one end of one connection in its life, so each
// wait of that goroutine must name this fd and these addresses.
package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/netpolltrace/netpolltrace/testdata/cue"
)

const (
	workers = 8
	// exchanges is how many questions each connection carries.
	exchanges = 3
	// maxConns bounds the log in memory.
	maxConns = 1000000
)

func main() {
	cue.Serve("", map[string]cue.Command{"run": run})
}

func run(args []string) (string, error) {
	if len(args) != 2 {
		return "", fmt.Errorf("want a number of connections and a file, have %d arguments", len(args))
	}
	conns, err := strconv.Atoi(args[0])
	if err != nil || conns < 1 || conns > maxConns {
		return "", fmt.Errorf("%q is not a number of connections from 1 to %d", args[0], maxConns)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	var book logBook
	go accept(listener, &book)
	dialAll(listener.Addr().String(), uint64(conns), &book)
	book.open.Wait()
	listener.Close()
	if book.failure != nil {
		return "", book.failure
	}
	return fmt.Sprintf("conns=%d ends=%d", conns, len(book.ends)), book.write(args[1])
}

// dialAll starts a goroutine for each connection, workers of them at a time.
func dialAll(addr string, conns uint64, book *logBook) {
	places := make(chan struct{}, workers)
	for number := uint64(0); number < conns; number++ {
		places <- struct{}{}
		book.open.Add(1)
		go func(number uint64) {
			defer func() { <-places; book.open.Done() }()
			book.fail(ask(addr, number, book))
		}(number)
	}
}

func ask(addr string, number uint64, book *logBook) error {
	dialed, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer dialed.Close()
	conn := dialed.(*net.TCPConn)
	// No TIME_WAIT: local ports are reused at once too.
	if err := conn.SetLinger(0); err != nil {
		return err
	}
	if err := book.add(conn, "dialed"); err != nil {
		return err
	}
	message := make([]byte, 8)
	for i := uint64(0); i < exchanges; i++ {
		binary.BigEndian.PutUint64(message, number+i)
		if _, err := conn.Write(message); err != nil {
			return err
		}
		if _, err := io.ReadFull(conn, message); err != nil {
			return fmt.Errorf("connection %d: %w", number, err)
		}
		if got := binary.BigEndian.Uint64(message); got != ^(number + i) {
			return fmt.Errorf("connection %d was answered for %d", number+i, ^got)
		}
	}
	return nil
}

func accept(listener net.Listener, book *logBook) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		book.open.Add(1)
		go func() {
			defer book.open.Done()
			book.fail(answer(conn.(*net.TCPConn), book))
		}()
	}
}

func answer(conn *net.TCPConn, book *logBook) error {
	defer conn.Close()
	if err := book.add(conn, "accepted"); err != nil {
		return err
	}
	message := make([]byte, 8)
	for i := 0; i < exchanges; i++ {
		if _, err := io.ReadFull(conn, message); err != nil {
			return err
		}
		// Long enough for the other end to park.
		time.Sleep(50 * time.Microsecond)
		binary.BigEndian.PutUint64(message, ^binary.BigEndian.Uint64(message))
		if _, err := conn.Write(message); err != nil {
			return err
		}
	}
	return nil
}

// logBook collects who served what.
type logBook struct {
	open    sync.WaitGroup
	mutex   sync.Mutex
	ends    []end
	failure error // the first
}

type end struct {
	goid        uint64
	fd          uintptr
	role        string
	local, peer string
}

func (b *logBook) add(conn *net.TCPConn, role string) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	e := end{goid: cue.Goid(), role: role, local: conn.LocalAddr().String(), peer: conn.RemoteAddr().String()}
	if err := raw.Control(func(fd uintptr) { e.fd = fd }); err != nil {
		return err
	}
	b.mutex.Lock()
	defer b.mutex.Unlock()
	b.ends = append(b.ends, e)
	return nil
}

func (b *logBook) fail(err error) {
	if err == nil {
		return
	}
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if b.failure == nil {
		b.failure = err
	}
}

func (b *logBook) write(name string) error {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(file)
	for _, e := range b.ends {
		fmt.Fprintf(out, "%d %d %s %s %s\n", e.goid, e.fd, e.role, e.local, e.peer)
	}
	if err := out.Flush(); err != nil {
		file.Close()
		return err
	}
	return file.Close()
}
