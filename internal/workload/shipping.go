package workload

import (
	"context"
	"net/http"
	"time"
)

// shipEvery is the time between two orders that are priced.
const shipEvery = 15 * time.Millisecond

// catalog asks two peers with one HTTP client. The goroutine that waits for the
// answers is net/http's own, so that what is waited for shows only in who ends the
// wait.
type catalog struct {
	client *http.Client
	peers  *peers
}

// priceOrders has two functions ask by way of a third. One of the two peers is slow.
func priceOrders(ctx context.Context, peers *peers) error {
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	c := catalog{&http.Client{Transport: transport}, peers}
	for pause(ctx, shipEvery) {
		if err := c.quoteGoods(ctx); err != nil {
			return err
		}
		if err := c.quoteShipping(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (c *catalog) quoteGoods(ctx context.Context) error { return c.ask(ctx, quotes) }

func (c *catalog) quoteShipping(ctx context.Context) error { return c.ask(ctx, shipping) }

func (c *catalog) ask(ctx context.Context, name string) error {
	return get(ctx, c.client, "http://"+c.peers.addrs[name])
}
