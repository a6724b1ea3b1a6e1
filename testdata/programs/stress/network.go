package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// depth is how many frames deep goroutines wait: their stacks have to grow, and
// to move, several times.
const depth = 200

// server answers each connection with the complement of what it says.
type server struct{ address string }

func listen() (*server, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go answer(conn)
		}
	}()
	return &server{listener.Addr().String()}, nil
}

func answer(conn net.Conn) {
	defer conn.Close()
	message := make([]byte, 8)
	for {
		if _, err := io.ReadFull(conn, message); err != nil {
			return
		}
		binary.BigEndian.PutUint64(message, ^binary.BigEndian.Uint64(message))
		if _, err := conn.Write(message); err != nil {
			return
		}
	}
}

func (s *server) dial() (*net.TCPConn, error) {
	conn, err := net.Dial("tcp", s.address)
	if err != nil {
		return nil, err
	}
	dialed := conn.(*net.TCPConn)
	return dialed, dialed.SetLinger(0) // leaves no port behind
}

func ask(conn net.Conn, number uint64) error {
	message := make([]byte, 8)
	binary.BigEndian.PutUint64(message, number)
	if _, err := conn.Write(message); err != nil {
		return err
	}
	if _, err := io.ReadFull(conn, message); err != nil {
		return err
	}
	if got := binary.BigEndian.Uint64(message); got != ^number {
		return fmt.Errorf("asked %d, answered for %d", number, ^got)
	}
	return nil
}

func (s *server) exchange(seed uint64) error {
	conn, err := s.dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	for i := uint64(0); i < 20; i++ {
		if err := ask(conn, seed<<8|i); err != nil {
			return err
		}
	}
	return nil
}

// deep asks from deep within a stack that is new for each connection.
func (s *server) deep(seed uint64) error {
	result := make(chan error)
	go func() {
		conn, err := s.dial()
		if err != nil {
			result <- err
			return
		}
		defer conn.Close()
		result <- descend(conn, seed, depth)
	}()
	return <-result
}

// descend fills a frame, goes deeper, and looks whether the frame is as it was:
// it has been copied meanwhile, and pointed into.
func descend(conn net.Conn, seed uint64, left int) error {
	var frame [32]uint64
	inner := &frame[left%len(frame)]
	for i := range frame {
		frame[i] = seed ^ uint64(i*left)
	}
	var err error
	if left == 0 || left%50 == 0 {
		err = ask(conn, seed+uint64(left))
	}
	if err == nil && left > 0 {
		err = descend(conn, seed, left-1)
	}
	for i := range frame {
		if frame[i] != seed^uint64(i*left) {
			return fmt.Errorf("frame %d: word %d is %#x", left, i, frame[i])
		}
	}
	if *inner != frame[left%len(frame)] {
		return fmt.Errorf("frame %d: a pointer into it points elsewhere", left)
	}
	return err
}

// expire waits for an answer to nothing until a deadline, and asks afterwards.
func (s *server) expire(seed uint64) error {
	conn, err := s.dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetReadDeadline(time.Now().Add(time.Duration(seed%3) * time.Millisecond)); err != nil {
		return err
	}
	var timeout net.Error
	if n, err := conn.Read(make([]byte, 1)); n != 0 || !errors.As(err, &timeout) || !timeout.Timeout() {
		return fmt.Errorf("a read without an answer returned %d, %v; want a timeout", n, err)
	}
	if err := conn.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	return ask(conn, seed)
}

// closeUnder closes a socket while another goroutine reads from it.
func (s *server) closeUnder(seed uint64) error {
	conn, err := s.dial()
	if err != nil {
		return err
	}
	read := make(chan error)
	go func() {
		n, err := conn.Read(make([]byte, 1))
		if n != 0 || err == nil || !bytes.Contains([]byte(err.Error()), []byte("use of closed network connection")) {
			read <- fmt.Errorf("a read of a closed socket returned %d, %v", n, err)
			return
		}
		read <- nil
	}()
	time.Sleep(time.Duration(seed%3) * 100 * time.Microsecond)
	if err := conn.Close(); err != nil {
		return err
	}
	return <-read
}
