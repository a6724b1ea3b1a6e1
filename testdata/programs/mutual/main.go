// Command mutual is an HTTP server that calls others like itself, and knows all
// of its connections. Its word with ready is its address.
//
// Commands:
//
//	call ADDRESS N   asks the server at the address N times over one new
//	                 connection; result: requests=N
//	conns            result: each connection so far, a word each:
//	                 ROLE/LOCAL/PEER=FD
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sort"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/netpolltrace/netpolltrace/testdata/cue"
)

// pause is before each answer and before each request: long enough that whoever
// waits for it is parked when it comes.
const pause = 2 * time.Millisecond

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	cue.Check(err)
	known := new(connections)
	server := &http.Server{
		Handler: http.HandlerFunc(answer),
		ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
			cue.Check(known.add("accepted", conn))
			return ctx
		},
	}
	go server.Serve(listener)
	cue.Serve("address="+listener.Addr().String(), map[string]cue.Command{
		"call":  func(args []string) (string, error) { return call(known, args) },
		"conns": func([]string) (string, error) { return known.String(), nil },
	})
}

func answer(w http.ResponseWriter, _ *http.Request) {
	time.Sleep(pause)
	io.WriteString(w, "done")
}

// connections are those of this process, as it knows them itself.
type connections struct {
	mu    sync.Mutex
	words []string
}

func (c *connections) add(role string, conn net.Conn) error {
	fd, err := descriptor(conn)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.words = append(c.words, fmt.Sprintf("%s/%v/%v=%d", role, conn.LocalAddr(), conn.RemoteAddr(), fd))
	return nil
}

func (c *connections) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	sort.Strings(c.words)
	return strings.Join(c.words, " ")
}

func descriptor(conn net.Conn) (number int, err error) {
	having, ok := conn.(syscall.Conn)
	if !ok {
		return 0, fmt.Errorf("%T has no descriptor", conn)
	}
	raw, err := having.SyscallConn()
	if err != nil {
		return 0, err
	}
	err = raw.Control(func(fd uintptr) { number = int(fd) })
	return number, err
}

func call(known *connections, args []string) (string, error) {
	if len(args) != 2 {
		return "", errors.New("want an address and a number")
	}
	n, err := strconv.Atoi(args[1])
	if err != nil {
		return "", err
	}
	transport := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return conn, known.add("dialed", conn)
	}}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	for i := 0; i < n; i++ {
		time.Sleep(pause)
		if err := ask(client, "http://"+args[0]); err != nil {
			return "", err
		}
	}
	return "requests=" + args[1], nil
}

func ask(client *http.Client, url string) error {
	response, err := client.Get(url)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && string(body) != "done" {
		err = fmt.Errorf("the answer is %q", body)
	}
	return err
}
