package realworld

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// clients is how many ask a server at the same time.
const clients = 6

// client asks a server one question after the other and checks each answer.
type client interface {
	ask() error
	io.Closer
}

// load is clients at work.
type load struct {
	answered atomic.Uint64
	cancel   context.CancelFunc
	open     sync.WaitGroup
	mu       sync.Mutex
	wrong    []error
}

// startLoad lets clients ask without a pause until the load is stopped.
func startLoad(t *testing.T, newClient func() (client, error)) *load {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	l := &load{cancel: cancel}
	for range clients {
		c, err := newClient()
		if err != nil {
			cancel()
			t.Fatal(err)
		}
		l.open.Go(func() {
			defer c.Close()
			for ctx.Err() == nil {
				if err := c.ask(); err != nil {
					l.fail(err)
					return
				}
				l.answered.Add(1)
			}
		})
	}
	return l
}

func (l *load) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wrong = append(l.wrong, err)
}

// more waits until some more questions have been answered.
func (l *load) more(t *testing.T, n uint64) {
	t.Helper()
	enough := l.answered.Load() + n
	if !eventually(30*time.Second, func() bool { return l.answered.Load() >= enough }) {
		t.Errorf("the server stopped answering after %d answers", l.answered.Load())
	}
}

// stop ends the load; its error is what was answered wrongly.
func (l *load) stop() error {
	l.cancel()
	l.open.Wait()
	return errors.Join(l.wrong...)
}

// httpClient asks by HTTP, on one connection.
type httpClient struct {
	http     *http.Client
	question func() *http.Request
	answer   func(body []byte) error
}

func newHTTPClient(question func() *http.Request, answer func(body []byte) error) *httpClient {
	// A transport of its own has no connection in common with other clients.
	return &httpClient{&http.Client{Transport: &http.Transport{}, Timeout: time.Minute}, question, answer}
}

func (c *httpClient) ask() error {
	request := c.question()
	response, err := c.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return fmt.Errorf("reading the answer of %s: %w", request.URL, err)
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s: %.200s", request.URL, response.Status, body)
	}
	return c.answer(body)
}

func (c *httpClient) Close() error {
	c.http.CloseIdleConnections()
	return nil
}

func get(url string) func() *http.Request {
	return func() *http.Request { return newRequest(http.MethodGet, url, "") }
}

func newRequest(method, url, body string) *http.Request {
	request, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		panic(err) // the URL is one of the tests'
	}
	return request
}

func exactly(want []byte) func([]byte) error {
	return func(got []byte) error {
		if !bytes.Equal(got, want) {
			return fmt.Errorf("the answer is %.200q, want %.200q", got, want)
		}
		return nil
	}
}

// upstream is an HTTP server for a server to ask: it answers each question
// after a delay.
type upstream struct {
	address string
	asked   *atomic.Uint64
}

// startUpstreams starts a server for each delay, each on an address of its own
// and all on one port, as the instances of one service are.
func startUpstreams(t *testing.T, answer http.HandlerFunc, delays ...time.Duration) []upstream {
	t.Helper()
	var upstreams []upstream
	port := "0"
	for i, delay := range delays {
		listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.%d:%s", 11+i, port))
		if err != nil {
			t.Fatal(err)
		}
		u := upstream{address: listener.Addr().String(), asked: new(atomic.Uint64)}
		_, port, _ = net.SplitHostPort(u.address)
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			u.asked.Add(1)
			time.Sleep(delay)
			answer(w, r)
		})}
		go func() { _ = server.Serve(listener) }()
		t.Cleanup(func() { server.Close() })
		upstreams = append(upstreams, u)
	}
	return upstreams
}

func always(contentType string, body []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		_, _ = w.Write(body) // the asker may be gone
	}
}

// freeAddress is an address on which nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// answers tells whether a server does its work already.
func answers(newClient func() (client, error)) bool {
	c, err := newClient()
	if err != nil {
		return false
	}
	defer c.Close()
	return c.ask() == nil
}
