package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

// soon is when a deadline expires that is set while somebody waits.
const soon = 20 * time.Millisecond

// past is a deadline that has expired, as net/http sets it.
var past = time.Unix(1, 0)

// endable is something that can be waited for, with all the ways to end it.
type endable struct {
	waiting
	deadline func(time.Time) error
	ready    func() error
	close    func() error
	// other is the other end. It stays open as long as something refers to it.
	other io.Closer
}

// endings are reads, writes, accepts and connects that end in every way.
func endings() []trial {
	var trials []trial
	for name, open := range map[string]func() (*endable, error){
		"read TCP": readTCP, "write TCP": writeTCP, "accept TCP": acceptTCP, "read pipe": readPipe, "write pipe": writePipe,
	} {
		for _, outcome := range []string{"ready", "timeout", "interrupted", "closed"} {
			open, outcome := open, outcome
			trials = append(trials, trial{name + " " + outcome, func(b *book) error {
				e, err := open()
				if err != nil {
					return err
				}
				defer e.close()
				defer e.other.Close()
				return b.do(e.ends(outcome))
			}})
		}
	}
	return trials
}

// ends is the wait that ends in that way.
func (e *endable) ends(outcome string) waiting {
	w := e.waiting
	w.outcome = outcome
	switch outcome {
	case "ready":
		w.end = e.ready
	case "timeout":
		w.end = func() error { return e.deadline(time.Now().Add(soon)) }
		w.want = isTimeout
	case "interrupted":
		w.end = func() error { return e.deadline(past) }
		w.want = isTimeout
	case "closed":
		w.end = e.close
		w.want = func(err error) bool { return errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrClosed) }
	}
	return w
}

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

func readTCP() (*endable, error) {
	near, far, err := tcpPair()
	if err != nil {
		return nil, err
	}
	return &endable{
		waiting:  waiting{name: "ends", op: "read", proto: "tcp", role: "dialed", unasked: "whole", on: connOf(near), block: readFrom(near), local: near.LocalAddr().String(), peer: near.RemoteAddr().String()},
		deadline: near.SetReadDeadline, close: near.Close, ready: writeTo(far), other: far,
	}, nil
}

// writeTCP writes until nothing more fits; the peer reads when it is asked to.
func writeTCP() (*endable, error) {
	near, far, err := tcpPair()
	if err != nil {
		return nil, err
	}
	if err := cram(near); err != nil {
		return nil, err
	}
	return &endable{
		waiting:  waiting{name: "ends", op: "write", proto: "tcp", role: "dialed", unasked: "none", on: connOf(near), block: fill(near), local: near.LocalAddr().String(), peer: near.RemoteAddr().String()},
		deadline: near.SetWriteDeadline, close: near.Close, other: far,
		ready: func() error { go drain(far); return nil },
	}, nil
}

func acceptTCP() (*endable, error) {
	listener, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	return &endable{
		waiting: waiting{name: "ends", op: "accept", proto: "tcp", role: "listening", unasked: "whole", on: listener, local: listener.Addr().String(),
			block: func() error { _, err := listener.Accept(); return err }},
		deadline: listener.SetDeadline, close: listener.Close, other: listener,
		ready: func() error { _, err := net.Dial("tcp4", listener.Addr().String()); return err },
	}, nil
}

func readPipe() (*endable, error) {
	reader, writer, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	name, err := pipeName(reader)
	return &endable{
		waiting:  waiting{name: "ends", op: "read", proto: "pipe", unasked: "-", on: reader, block: func() error { _, err := reader.Read(make([]byte, 1)); return err }, local: name, peer: name},
		deadline: reader.SetReadDeadline, close: reader.Close, other: writer,
		ready: func() error { _, err := writer.Write(make([]byte, 1)); return err },
	}, err
}

func writePipe() (*endable, error) {
	reader, writer, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	name, err := pipeName(writer)
	return &endable{
		waiting:  waiting{name: "ends", op: "write", proto: "pipe", unasked: "none", on: writer, block: func() error { _, err := writer.Write(make([]byte, 1<<20)); return err }, local: name, peer: name},
		deadline: writer.SetWriteDeadline, close: writer.Close, other: reader,
		ready: func() error {
			go func() {
				for buffer := make([]byte, 64<<10); ; {
					if _, err := reader.Read(buffer); err != nil {
						return
					}
				}
			}()
			return nil
		},
	}, err
}

// pipeName is pipe:[inode], as /proc has it.
func pipeName(f *os.File) (string, error) {
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("pipe:[%d]", info.Sys().(*syscall.Stat_t).Ino), nil
}

// connects waits for a listener whose queue is full: the kernel drops the
// request to connect, and asks again after a second.
func connects(b *book) error {
	full, address, err := fullListener()
	if err != nil {
		return err
	}
	defer syscall.Close(full)
	// Accepting makes room. The first who asked is who filled the queue.
	room := func() error { _, _, err := syscall.Accept(full); return err }
	dial := func(name, outcome string, dialer net.Dialer, ctx context.Context, end func() error, want func(error) bool) error {
		return b.do(waiting{
			name: name, op: "connect", outcome: outcome, proto: "tcp", role: "dialed", peer: address, unasked: "none",
			block: func() error {
				conn, err := dialer.DialContext(ctx, "tcp4", address)
				if err == nil {
					conn.Close()
				}
				return err
			},
			end: end, want: want,
		})
	}
	background := context.Background()
	nothing := func() error { return nil }
	if err := dial("connect", "timeout", net.Dialer{Timeout: 500 * time.Millisecond}, background, nothing, isNetTimeout); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(background)
	defer cancel()
	if err := dial("connect", "interrupted", net.Dialer{}, ctx, func() error { cancel(); return nil },
		func(err error) bool { return err != nil }); err != nil {
		return err
	}
	return dial("connect", "ready", net.Dialer{}, background, room, nil)
}

func isNetTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// fullListener listens with the shortest queue and fills it.
func fullListener() (fd int, address string, err error) {
	fd, err = syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, "", err
	}
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return -1, "", err
	}
	if err := syscall.Listen(fd, 0); err != nil {
		return -1, "", err
	}
	bound, err := syscall.Getsockname(fd)
	if err != nil {
		return -1, "", err
	}
	address = fmt.Sprintf("127.0.0.1:%d", bound.(*syscall.SockaddrInet4).Port)
	// It stays open: a connection that was closed leaves the queue only when it
	// is accepted.
	_, err = net.Dial("tcp4", address)
	return fd, address, err
}

// connOf is the descriptor of something from package net; all of them have one.
func connOf(value interface{}) syscall.Conn { return value.(syscall.Conn) }

func readFrom(conn net.Conn) func() error {
	return func() error { _, err := conn.Read(make([]byte, 1)); return err }
}

func writeTo(conn net.Conn) func() error {
	return func() error { _, err := conn.Write(make([]byte, 1)); return err }
}

// fill writes more than fits into the buffers between two sockets.
func fill(conn net.Conn) func() error {
	return func() error { _, err := conn.Write(make([]byte, 1<<20)); return err }
}

// acknowledged is how long the other end puts off acknowledging, and more: what
// it acknowledges makes room.
const acknowledged = 60 * time.Millisecond

// cram writes until nothing more fits, without waiting for room.
func cram(conn net.Conn) error {
	raw, err := connOf(conn).SyscallConn()
	if err != nil {
		return err
	}
	chunk := make([]byte, 64<<10)
	for full := 0; full < 2; {
		full++
		err := raw.Write(func(fd uintptr) bool {
			for {
				if _, err := syscall.Write(int(fd), chunk); err != nil {
					return true
				}
				full = 0
			}
		})
		if err != nil {
			return err
		}
		time.Sleep(acknowledged)
	}
	return nil
}

func drain(conn net.Conn) {
	for buffer := make([]byte, 64<<10); ; {
		if _, err := conn.Read(buffer); err != nil {
			return
		}
	}
}

// tcpPair returns both ends of a connection with small buffers.
func tcpPair() (near, far net.Conn, err error) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	defer listener.Close()
	if near, err = net.Dial("tcp4", listener.Addr().String()); err != nil {
		return nil, nil, err
	}
	if far, err = listener.Accept(); err != nil {
		return nil, nil, err
	}
	if err := near.(*net.TCPConn).SetWriteBuffer(32 << 10); err != nil {
		return nil, nil, err
	}
	return near, far, far.(*net.TCPConn).SetReadBuffer(32 << 10)
}
