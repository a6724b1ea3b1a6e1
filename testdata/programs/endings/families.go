package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
)

// family is a kind of connection: how to listen and where to dial.
type family struct {
	name    string
	proto   string // of the connections
	listens string // of the listener
	network string
	address string
	dial    func(net.Addr) string // nil for the listener's own address
	listen  net.ListenConfig
	dialer  net.Dialer
}

func families(dir string) []trial {
	all := []family{
		{name: "IPv4", proto: "tcp", network: "tcp4", address: "127.0.0.1:0"},
		{name: "IPv6", proto: "tcp", network: "tcp6", address: "[::1]:0"},
		{name: "IPv4 to a dual-stack listener", proto: "tcp", network: "tcp", address: "[::]:0", dial: onIPv4},
		{name: "unix", proto: "unix", network: "unix", address: filepath.Join(dir, "stream")},
		{name: "unix, abstract", proto: "unix", network: "unix", address: fmt.Sprintf("@endings-%d", os.Getpid())},
		{name: "dialed from a chosen port", proto: "tcp", network: "tcp4", address: "127.0.0.1:0",
			dialer: net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2), Port: freePort()}}},
		{name: "dialed from a chosen address", proto: "tcp", network: "tcp4", address: "127.0.0.1:0",
			dialer: net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 3)}}},
	}
	all = append(all, multipathFamilies()...)
	trials := []trial{
		{"UDP", datagrams},
		{"unixgram", func(b *book) error { return unixDatagrams(b, dir) }},
		{"unix, one after another", func(b *book) error { return oneAfterAnother(b, dir) }},
	}
	for _, f := range all {
		f := f
		if f.listens == "" {
			f.listens = f.proto
		}
		trials = append(trials, trial{f.name, f.run})
	}
	return trials
}

func onIPv4(addr net.Addr) string {
	return fmt.Sprintf("127.0.0.1:%d", addr.(*net.TCPAddr).Port)
}

// freePort is a port on which nobody listens at the moment.
func freePort() int {
	listener, err := net.Listen("tcp4", "127.0.0.2:0")
	if err != nil {
		return 0
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

// run waits to accept, then to read at either end.
func (f family) run(b *book) error {
	listener, err := f.listen.Listen(context.Background(), f.network, f.address)
	if err != nil {
		return err
	}
	defer listener.Close()
	var near, far net.Conn
	if err := b.do(waiting{
		name: f.name, op: "accept", outcome: "ready", proto: f.listens, role: "listening",
		local: listener.Addr().String(), unasked: "whole", on: connOf(listener),
		block: func() (err error) { far, err = listener.Accept(); return err },
		end:   func() (err error) { near, err = f.connect(listener.Addr()); return err },
	}); err != nil {
		return err
	}
	defer near.Close()
	defer far.Close()
	return f.exchange(b, near, far)
}

func (f family) connect(addr net.Addr) (net.Conn, error) {
	address := addr.String()
	if f.dial != nil {
		address = f.dial(addr)
	}
	return f.dialer.Dial(f.network, address)
}

// exchange waits for a request at the far end, and for its answer at the near one.
func (f family) exchange(b *book, near, far net.Conn) error {
	if err := b.do(waiting{
		name: f.name, op: "read", outcome: "ready", proto: f.proto, role: "accepted",
		local: far.LocalAddr().String(), peer: far.RemoteAddr().String(), unasked: "whole", on: connOf(far),
		block: readFrom(far), end: writeTo(near),
	}); err != nil {
		return err
	}
	return b.do(waiting{
		name: f.name, op: "read", outcome: "ready", proto: f.proto, role: "dialed",
		local: near.LocalAddr().String(), peer: near.RemoteAddr().String(), unasked: "none", on: connOf(near),
		block: readFrom(near), end: writeTo(far),
	})
}

// oneAfterAnother closes connections and opens others, whose sockets the kernel
// likes to put where the closed ones were.
func oneAfterAnother(b *book, dir string) error {
	for i := 0; i < 20; i++ {
		name := fmt.Sprint("unix-", i)
		f := family{name: name, listens: "unix", proto: "unix", network: "unix", address: filepath.Join(dir, name)}
		if err := f.run(b); err != nil {
			return err
		}
	}
	return nil
}

// datagrams waits for a request at a socket that anyone may send to, and for
// its answer at one with a peer.
func datagrams(b *book) error {
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer server.Close()
	client, err := net.Dial("udp", server.LocalAddr().String())
	if err != nil {
		return err
	}
	defer client.Close()
	return exchangeDatagrams(b, "udp", server, client)
}

func unixDatagrams(b *book, dir string) error {
	server, err := net.ListenPacket("unixgram", filepath.Join(dir, "server"))
	if err != nil {
		return err
	}
	defer server.Close()
	client, err := net.DialUnix("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "client"), Net: "unixgram"},
		server.LocalAddr().(*net.UnixAddr))
	if err != nil {
		return err
	}
	defer client.Close()
	return exchangeDatagrams(b, "unixgram", server, client)
}

func exchangeDatagrams(b *book, proto string, server net.PacketConn, client net.Conn) error {
	message := make([]byte, 1)
	var from net.Addr
	if err := b.do(waiting{
		name: proto, op: "read", outcome: "ready", proto: proto, local: server.LocalAddr().String(),
		unasked: "whole", on: connOf(server),
		block: func() (err error) { _, from, err = server.ReadFrom(message); return err },
		end:   writeTo(client),
	}); err != nil {
		return err
	}
	return b.do(waiting{
		name: proto, op: "read", outcome: "ready", proto: proto, role: "dialed",
		local: client.LocalAddr().String(), peer: client.RemoteAddr().String(), unasked: "none", on: connOf(client),
		block: readFrom(client),
		end:   func() error { _, err := server.WriteTo(message, from); return err },
	})
}
