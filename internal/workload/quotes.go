package workload

import (
	"context"
	"net/http"
	"time"
)

// quoteEvery is the time between two requests: most of it the connection's
// reader waits although nothing was asked.
const quoteEvery = 20 * time.Millisecond

// fetchQuotes is an HTTP client with keep-alive. The goroutine that waits for
// the answer is net/http's own, readLoop.
func fetchQuotes(ctx context.Context, peers *peers) error {
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	for pause(ctx, quoteEvery) {
		if err := get(ctx, client, "http://"+peers.addrs[quotes]); err != nil {
			return err
		}
	}
	return nil
}
