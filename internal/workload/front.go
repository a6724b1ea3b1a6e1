package workload

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
)

// front is the shop's own servers: an HTTP server, and a listener whose
// connections stay idle.
type front struct {
	shop     *http.Server
	shopping net.Listener
	sessions net.Listener
	arrived  chan struct{} // one for each session
	held     *closers
	running  group
}

func openFront(ctx context.Context, held *closers) (*front, error) {
	f := &front{arrived: make(chan struct{}), held: held}
	var err error
	if f.shopping, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, fmt.Errorf("listening as the shop: %w", err)
	}
	if f.sessions, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		f.shopping.Close()
		return nil, fmt.Errorf("listening for sessions: %w", err)
	}
	f.shop = &http.Server{Handler: http.HandlerFunc(serveProductPage)}
	f.running.Go(func() { f.shop.Serve(f.shopping) })
	f.running.Go(func() { f.acceptSessions(ctx) })
	return f, nil
}

func (f *front) shopAddr() string     { return f.shopping.Addr().String() }
func (f *front) sessionsAddr() string { return f.sessions.Addr().String() }

func serveProductPage(w http.ResponseWriter, _ *http.Request) {
	io.WriteString(w, "a chair, 49.00")
}

func (f *front) acceptSessions(ctx context.Context) {
	for {
		conn, err := f.sessions.Accept()
		if err != nil {
			return
		}
		f.running.Go(func() { f.holdSession(ctx, conn) })
	}
}

// holdSession waits for a request that never comes.
func (f *front) holdSession(ctx context.Context, conn net.Conn) {
	defer f.held.add(conn)()
	select {
	case f.arrived <- struct{}{}:
	case <-ctx.Done():
		return
	}
	conn.Read(make([]byte, 1))
}

// awaitSessions returns when so many sessions are there.
func (f *front) awaitSessions(ctx context.Context, n int) error {
	for i := 0; i < n; i++ {
		select {
		case <-f.arrived:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// close ends the servers. The sessions end with what openFront was given to hold
// them, which must have been closed.
func (f *front) close() {
	f.shop.Close()
	f.sessions.Close()
	f.running.Wait()
}
