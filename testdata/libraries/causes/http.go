package main

import (
	"io"
	"net/http"
	"time"
)

// askByHTTP has two functions ask two hosts with one client, by way of a third
// function: 10 goroutines are in each. For every tenth user the price is asked for,
// too.
func askByHTTP(p *peers, measured *clock) error {
	transport := &http.Transport{MaxIdleConnsPerHost: 20}
	defer transport.CloseIdleConnections()
	c := client{http: &http.Client{Transport: transport}, peers: p, measured: measured}
	end := time.Now().Add(2 * time.Second)
	return together(20, func(number int) error {
		for n := 0; time.Now().Before(end); n++ {
			var err error
			if number%2 == 0 {
				err = c.handleUser(n)
			} else {
				err = c.handlePrice()
			}
			if err != nil {
				return err
			}
			time.Sleep(5 * time.Millisecond)
		}
		return nil
	})
}

type client struct {
	http     *http.Client
	peers    *peers
	measured *clock
}

//go:noinline
func (c *client) handleUser(n int) error {
	if err := c.get("handleUser_users", users); err != nil || n%10 > 0 {
		return err
	}
	return c.get("handleUser_prices", prices)
}

//go:noinline
func (c *client) handlePrice() error { return c.get("handlePrice_prices", prices) }

func (c *client) get(name, host string) error {
	defer c.measured.since(time.Now(), name)
	response, err := c.http.Get("http://" + c.peers.addrs[host])
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return err
}
