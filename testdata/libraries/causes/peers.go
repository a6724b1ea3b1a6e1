package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/netpolltrace/netpolltrace/testdata/cue"
)

// asPeers is the argument with which the program is its own peers.
const asPeers = "peers"

// Names of the peers.
const (
	users  = "users"  // HTTP: answers after userTime
	prices = "prices" // HTTP: answers after priceTime
	rpc    = "rpc"    // gRPC: answers after callTime
	db     = "db"     // answers when it is asked to
)

// How long the HTTP servers think.
const (
	userTime  = 4 * time.Millisecond
	priceTime = 30 * time.Millisecond
)

// peers are the addresses of the peers, in their process.
type peers struct {
	addrs   map[string]string
	process *exec.Cmd
	stdin   io.Closer
}

// startPeers runs this executable once more.
func startPeers() (*peers, error) {
	p := &peers{addrs: make(map[string]string), process: exec.Command("/proc/self/exe", asPeers)}
	p.process.Stderr = os.Stderr
	stdin, err := p.process.StdinPipe()
	if err != nil {
		return nil, err
	}
	p.stdin = stdin
	stdout, err := p.process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.process.Start(); err != nil {
		return nil, err
	}
	words, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("reading the addresses of the peers: %w", err)
	}
	for _, word := range strings.Fields(words) {
		name, addr, _ := strings.Cut(word, "=")
		p.addrs[name] = addr
	}
	return p, nil
}

func (p *peers) words() string {
	var words []string
	for name, addr := range p.addrs {
		words = append(words, name+"="+addr)
	}
	return strings.Join(words, " ")
}

func (p *peers) close() {
	p.stdin.Close()
	p.process.Wait()
}

// servePeers is the other process. It ends with its standard input.
func servePeers() {
	var words []string
	for name, serve := range map[string]func(net.Listener){
		users:  answerHTTP(userTime),
		prices: answerHTTP(priceTime),
		rpc:    serveRPC,
		db:     serveDB,
	} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		cue.Check(err)
		words = append(words, name+"="+listener.Addr().String())
		go serve(listener)
	}
	fmt.Println(strings.Join(words, " "))
	io.Copy(io.Discard, os.Stdin)
}

// answerHTTP answers each request after a time.
func answerHTTP(after time.Duration) func(net.Listener) {
	return func(listener net.Listener) {
		http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(after)
			io.WriteString(w, "fine")
		}))
	}
}

// questionSize is that of a question to the database, which is how long it is to
// think in nanoseconds, and of its answer.
const questionSize = 8

func serveDB(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			question := make([]byte, questionSize)
			for {
				if _, err := io.ReadFull(conn, question); err != nil {
					return
				}
				time.Sleep(time.Duration(binary.BigEndian.Uint64(question)))
				if _, err := conn.Write(question); err != nil {
					return
				}
			}
		}()
	}
}

// query asks the database over a connection, which answers after a time.
func query(conn net.Conn, after time.Duration) error {
	question := binary.BigEndian.AppendUint64(nil, uint64(after))
	if _, err := conn.Write(question); err != nil {
		return err
	}
	_, err := io.ReadFull(conn, question)
	return err
}

func (p *peers) dialDB() (net.Conn, error) { return net.Dial("tcp", p.addrs[db]) }
