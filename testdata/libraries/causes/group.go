package main

import (
	"net"
	"time"

	"golang.org/x/sync/errgroup"
)

// fanOut asks with three goroutines and waits for all, again and again.
func fanOut(p *peers, measured *clock) error {
	var conns []net.Conn
	for range 3 {
		conn, err := p.dialDB()
		if err != nil {
			return err
		}
		defer conn.Close()
		conns = append(conns, conn)
	}
	for range 150 {
		if err := askAll(conns, measured); err != nil {
			return err
		}
	}
	return nil
}

func askAll(conns []net.Conn, measured *clock) error {
	defer measured.since(time.Now(), "askAll_db")
	var all errgroup.Group
	for i, conn := range conns {
		all.Go(func() error { return query(conn, time.Duration(2+3*i)*time.Millisecond) })
	}
	return all.Wait()
}
