package workload

import (
	"context"
	"io"
	"net"
)

// shoppers fill their carts at the same time.
const shoppers = 6

// cache is a client of one redis with a pool of connections.
type cache struct {
	pool chan net.Conn
}

// fillCarts asks three caches in turn. One of them is slow.
func fillCarts(ctx context.Context, peers *peers) error {
	var caches []*cache
	for _, name := range []string{redis0, redis1, redis2} {
		c := &cache{pool: make(chan net.Conn, shoppers)}
		for i := 0; i < shoppers; i++ {
			conn, release, err := peers.dial(ctx, "tcp", name)
			if err != nil {
				return err
			}
			defer release()
			c.pool <- conn
		}
		caches = append(caches, c)
	}
	return crew(ctx, shoppers, func(ctx context.Context, _ int) error {
		for ctx.Err() == nil {
			for _, c := range caches {
				if err := c.Get("cart"); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// Get asks for the value of a key. It has a read of its own, as has each
// function here that asks a peer, so that a report by line tells them apart.
func (c *cache) Get(key string) error {
	conn := <-c.pool
	defer func() { c.pool <- conn }()
	message := make([]byte, messageSize)
	copy(message, key)
	if _, err := conn.Write(message); err != nil {
		return err
	}
	_, err := io.ReadFull(conn, message)
	return err
}
