package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// How many reads and writes of one round end in these ways.
const (
	timeouts   = 2 // readDeadline, writeDeadline
	interrupts = 1 // forcedDeadline
	closes     = 1 // closeUnderReader
)

const (
	pause = 1 * time.Millisecond
	// parked is how long others are given to get to their wait before it is
	// ended for them.
	parked = 3 * time.Millisecond
)

func networkKinds() []kind {
	return []kind{
		{"tcp", tcpRead},
		{"tcp both ways", tcpBothWays},
		{"write", slowReader},
		{"accept and connect", acceptAndConnect},
		{"unix", unixRead},
		{"udp", udpRead},
		{"pipe", pipeRead},
		{"read deadline", readDeadline},
		{"write deadline", writeDeadline},
		{"forced deadline", forcedDeadline},
		{"close", closeUnderReader},
		{"http", httpKeepAlive},
	}
}

func tcpRead(rounds int) error {
	near, far, err := tcpPair()
	if err != nil {
		return err
	}
	defer near.Close()
	go answerSlowly(far)
	return ask(near, rounds)
}

// tcpBothWays has a reader and a writer wait on one descriptor at a time.
func tcpBothWays(rounds int) error {
	near, far, err := tcpPair()
	if err != nil {
		return err
	}
	defer near.Close()
	go drainSlowly(far)
	go io.Copy(io.Discard, near)
	go func() {
		for {
			time.Sleep(pause)
			if _, err := far.Write(make([]byte, 1)); err != nil {
				return
			}
		}
	}()
	return fill(near, rounds)
}

func slowReader(rounds int) error {
	near, far, err := tcpPair()
	if err != nil {
		return err
	}
	defer near.Close()
	go drainSlowly(far)
	return fill(near, rounds)
}

func acceptAndConnect(rounds int) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer listener.Close()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			conn.Close()
		}
	}()
	for i := 0; i < rounds; i++ {
		time.Sleep(pause)
		conn, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			return err
		}
		conn.Close()
	}
	return nil
}

func unixRead(rounds int) error {
	dir, err := os.MkdirTemp("", "truthful")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	near, far, err := pairOf("unix", filepath.Join(dir, "socket"))
	if err != nil {
		return err
	}
	defer near.Close()
	go answerSlowly(far)
	return ask(near, rounds)
}

func udpRead(rounds int) error {
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
	go func() {
		message := make([]byte, 1)
		for {
			_, from, err := server.ReadFrom(message)
			if err != nil {
				return
			}
			time.Sleep(pause)
			if _, err := server.WriteTo(message, from); err != nil {
				return
			}
		}
	}()
	return ask(client, rounds)
}

func pipeRead(rounds int) error {
	reader, writer, err := os.Pipe()
	if err != nil {
		return err
	}
	defer reader.Close()
	go func() {
		defer writer.Close()
		for i := 0; i < rounds; i++ {
			time.Sleep(pause)
			if _, err := writer.Write(make([]byte, 1)); err != nil {
				return
			}
		}
	}()
	message := make([]byte, 1)
	for i := 0; i < rounds; i++ {
		if _, err := reader.Read(message); err != nil {
			return err
		}
	}
	return nil
}

func readDeadline(rounds int) error {
	near, far, err := tcpPair()
	if err != nil {
		return err
	}
	defer near.Close()
	defer far.Close()
	for i := 0; i < rounds; i++ {
		near.SetReadDeadline(time.Now().Add(pause))
		if _, err := near.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			return fmt.Errorf("read with nothing to read: %v", err)
		}
	}
	return nil
}

func writeDeadline(rounds int) error {
	near, far, err := tcpPair()
	if err != nil {
		return err
	}
	defer near.Close()
	defer far.Close()
	// Nobody reads: from some point on nothing more fits.
	full := make([]byte, 1<<20)
	for i := 0; i < rounds; {
		near.SetWriteDeadline(time.Now().Add(pause))
		n, err := near.Write(full)
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return fmt.Errorf("write without a reader: %v", err)
		}
		if n == 0 {
			i++
		}
	}
	return nil
}

// forcedDeadline is how net/http's server ends its background reads.
func forcedDeadline(rounds int) error {
	near, far, err := tcpPair()
	if err != nil {
		return err
	}
	defer near.Close()
	defer far.Close()
	for i := 0; i < rounds; i++ {
		near.SetReadDeadline(time.Time{})
		interrupted := make(chan struct{})
		go func() {
			time.Sleep(parked)
			near.SetReadDeadline(time.Unix(1, 0))
			close(interrupted)
		}()
		if _, err := near.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			return fmt.Errorf("interrupted read: %v", err)
		}
		<-interrupted
	}
	return nil
}

func closeUnderReader(rounds int) error {
	for i := 0; i < rounds; i++ {
		near, far, err := tcpPair()
		if err != nil {
			return err
		}
		go func() {
			time.Sleep(parked)
			near.Close()
		}()
		_, err = near.Read(make([]byte, 1))
		far.Close()
		if !errors.Is(err, net.ErrClosed) {
			return fmt.Errorf("read of a closed connection: %v", err)
		}
	}
	return nil
}

func httpKeepAlive(rounds int) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(pause)
		io.WriteString(w, "fine")
	})}
	go server.Serve(listener)
	defer server.Close()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	for i := 0; i < rounds; i++ {
		response, err := client.Get("http://" + listener.Addr().String())
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, response.Body)
		response.Body.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// ask plays ping-pong with a peer that is slow to answer.
func ask(conn net.Conn, rounds int) error {
	message := make([]byte, 1)
	for i := 0; i < rounds; i++ {
		if _, err := conn.Write(message); err != nil {
			return err
		}
		if _, err := io.ReadFull(conn, message); err != nil {
			return err
		}
	}
	return nil
}

func answerSlowly(conn net.Conn) {
	defer conn.Close()
	message := make([]byte, 1)
	for {
		if _, err := io.ReadFull(conn, message); err != nil {
			return
		}
		time.Sleep(pause)
		if _, err := conn.Write(message); err != nil {
			return
		}
	}
}

// fill writes more than fits into the buffers between two sockets.
func fill(conn net.Conn, rounds int) error {
	chunk := make([]byte, 256<<10)
	for i := 0; i < rounds; i++ {
		if _, err := conn.Write(chunk); err != nil {
			return err
		}
	}
	return nil
}

func drainSlowly(conn net.Conn) {
	defer conn.Close()
	chunk := make([]byte, 256<<10)
	for {
		if _, err := conn.Read(chunk); err != nil {
			return
		}
		time.Sleep(pause)
	}
}

// tcpPair returns both ends of a connection with small buffers.
func tcpPair() (near, far net.Conn, err error) {
	near, far, err = pairOf("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	if err := near.(*net.TCPConn).SetWriteBuffer(32 << 10); err != nil {
		return nil, nil, err
	}
	return near, far, far.(*net.TCPConn).SetReadBuffer(32 << 10)
}

func pairOf(network, addr string) (near, far net.Conn, err error) {
	listener, err := net.Listen(network, addr)
	if err != nil {
		return nil, nil, err
	}
	defer listener.Close()
	if near, err = net.Dial(network, listener.Addr().String()); err != nil {
		return nil, nil, err
	}
	far, err = listener.Accept()
	return near, far, err
}
