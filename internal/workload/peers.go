package workload

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// Names of the servers in the peers' process.
const (
	redis0   = "redis-0"
	redis1   = "redis-1"
	redis2   = "redis-2"
	postgres = "postgres"
	stock    = "stock"
	push     = "push"
	mail     = "mail"
	names    = "names"
	audit    = "audit"
	quotes   = "quotes"
	shipping = "shipping"
	archived = "archive"
)

// messageSize is that of each question and each answer, except over HTTP.
const messageSize = 16

// A delay says how long a server thinks about its nth question.
type delay func(n int) time.Duration

func always(d time.Duration) delay { return func(int) time.Duration { return d } }

// mixed is mostly 1.5 ms, sometimes 6 ms, and 45 ms once in twenty times.
func mixed(n int) time.Duration {
	switch {
	case n%20 == 19:
		return 45 * time.Millisecond
	case n%6 == 5:
		return 6 * time.Millisecond
	default:
		return 1500 * time.Microsecond
	}
}

// never is longer than anybody waits.
const never = time.Hour

// server is one of the peers. Each has an address of its own, as it would have
// in production, and its usual port.
type server struct {
	name    string
	network string
	addr    string // wanted; for a unix socket the file's name
	delay   delay
	serve   func(context.Context, *closers, endpoint, delay) error
}

func servers() []server {
	return []server{
		{redis0, "tcp", "127.0.0.10:6379", always(400 * time.Microsecond), serveStream},
		{redis1, "tcp", "127.0.0.11:6379", always(400 * time.Microsecond), serveStream},
		{redis2, "tcp", "127.0.0.12:6379", always(12 * time.Millisecond), serveStream},
		{postgres, "tcp", "127.0.0.20:5432", mixed, serveStream},
		{stock, "tcp", "127.0.0.30:7000", always(400 * time.Microsecond), serveStream},
		{push, "tcp", "127.0.0.40:7001", always(never), serveStream},
		{mail, "tcp", "127.0.0.50:2525", always(2 * time.Millisecond), serveStream},
		{names, "udp", "127.0.0.60:5353", always(2 * time.Millisecond), servePackets},
		{audit, "unix", "audit.sock", always(1 * time.Millisecond), serveStream},
		{quotes, "tcp", "127.0.0.70:8080", always(3 * time.Millisecond), serveHTTP},
		{shipping, "tcp", "127.0.0.71:8082", always(20 * time.Millisecond), serveHTTP},
		{archived, "tcp", "127.0.0.21:5432", always(4 * time.Millisecond), serveStream},
	}
}

// order is what the shop asks of the peers' process: to be its customers.
type order struct {
	Shop     string // address of the HTTP server
	Sessions string // address that takes idle connections
	Idle     int    // how many of them
}

// Peers runs the other side of the workload: the servers that the shop asks and
// the customers that ask the shop. It writes the servers' addresses to out as
// one line of JSON, reads an order from in, and works until in or the context
// ends.
func Peers(ctx context.Context, in io.Reader, out io.Writer) error {
	dir, err := os.MkdirTemp("", "netpolltrace-demo-")
	if err != nil {
		return fmt.Errorf("making a folder for the unix socket: %w", err)
	}
	defer os.RemoveAll(dir)
	ctx, cancel := context.WithCancel(ctx)
	var running group
	defer running.Wait()
	var held closers
	defer held.closeAll()
	defer cancel()

	addrs := make(map[string]string)
	for _, s := range servers() {
		s := s
		e, err := listen(s, dir)
		if err != nil {
			return err
		}
		addrs[s.name] = e.addr()
		running.Go(func() { s.serve(ctx, &held, e, s.delay) })
	}
	if err := json.NewEncoder(out).Encode(addrs); err != nil {
		return fmt.Errorf("telling the peers' addresses: %w", err)
	}
	var o order
	if err := json.NewDecoder(in).Decode(&o); err != nil {
		return fmt.Errorf("reading what the shop wants of its peers: %w", err)
	}
	running.Go(func() { visitShop(ctx, o.Shop) })
	release, err := holdSessions(o.Sessions, o.Idle)
	defer release()
	if err != nil {
		return err
	}
	// Nothing more comes; the end of it is the end of the shop.
	ended := make(chan struct{})
	go func() { io.Copy(io.Discard, in); close(ended) }()
	select {
	case <-ended:
	case <-ctx.Done():
	}
	return nil
}

// endpoint is where a server listens: one of the two is nil.
type endpoint struct {
	listener net.Listener
	packets  net.PacketConn
}

func (e endpoint) addr() string {
	if e.packets != nil {
		return e.packets.LocalAddr().String()
	}
	return e.listener.Addr().String()
}

// listen takes the server's own address, or any free one where that is taken or
// where 127.0.0.1 is all the loopback there is.
func listen(s server, dir string) (endpoint, error) {
	var err error
	for _, addr := range []string{s.addr, "127.0.0.1:0"} {
		var e endpoint
		switch s.network {
		case "udp":
			e.packets, err = net.ListenPacket(s.network, addr)
		case "unix":
			e.listener, err = net.Listen(s.network, filepath.Join(dir, s.addr))
		default:
			e.listener, err = net.Listen(s.network, addr)
		}
		if err == nil {
			return e, nil
		}
	}
	return endpoint{}, fmt.Errorf("listening as %s: %w", s.name, err)
}

// serveStream answers each message of each connection after the delay.
func serveStream(ctx context.Context, held *closers, e endpoint, d delay) error {
	defer held.add(e.listener)()
	var running group
	defer running.Wait()
	for {
		conn, err := e.listener.Accept()
		if err != nil {
			return err
		}
		running.Go(func() {
			defer held.add(conn)()
			answerStream(ctx, conn, d)
		})
	}
}

func answerStream(ctx context.Context, conn net.Conn, d delay) {
	message := make([]byte, messageSize)
	for n := 0; ; n++ {
		if _, err := io.ReadFull(conn, message); err != nil {
			return
		}
		if !think(ctx, d(n)) {
			return
		}
		if _, err := conn.Write(message); err != nil {
			return
		}
	}
}

func servePackets(ctx context.Context, held *closers, e endpoint, d delay) error {
	defer held.add(e.packets)()
	message := make([]byte, messageSize)
	for n := 0; ; n++ {
		size, from, err := e.packets.ReadFrom(message)
		if err != nil {
			return err
		}
		if !think(ctx, d(n)) {
			return ctx.Err()
		}
		if _, err := e.packets.WriteTo(message[:size], from); err != nil {
			return err
		}
	}
}

func serveHTTP(_ context.Context, held *closers, e endpoint, d delay) error {
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		think(r.Context(), d(0))
		io.WriteString(w, "17.20")
	})}
	defer held.add(server)()
	if err := server.Serve(e.listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// pause is a sleep that ends with the context. It returns whether the time
// passed before that.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
