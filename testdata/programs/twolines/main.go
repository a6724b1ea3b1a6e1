// Command twolines has two io.ReadFull lines in one function, of which one
// waits for 1 ms and the other for 20 ms. Their stacks differ in one return
// address only, deep below the innermost frames: a tracer that takes the two
// for one reports neither truly.
//
// Command: run ROUNDS. Result: the two lines' numbers.
package main

import (
	"fmt"
	"io"
	"net"
	"runtime"
	"strconv"
	"time"

	"github.com/netpolltrace/netpolltrace/testdata/cue"
)

const (
	quick = 1 * time.Millisecond
	slow  = 20 * time.Millisecond
)

func main() {
	near, far, err := pair()
	cue.Check(err)
	go answer(far)
	cue.Serve("", map[string]cue.Command{
		"run": func(args []string) (string, error) {
			if len(args) != 1 {
				return "", fmt.Errorf("want a number of rounds, have %d arguments", len(args))
			}
			rounds, err := strconv.Atoi(args[0])
			if err != nil {
				return "", err
			}
			var quickLine, slowLine int
			for i := 0; i < rounds; i++ {
				if quickLine, slowLine, err = ask(near); err != nil {
					return "", err
				}
			}
			return fmt.Sprintf("quick_line=%d slow_line=%d", quickLine, slowLine), nil
		},
	})
}

// ask sends one question and reads two answers.
func ask(conn net.Conn) (quickLine, slowLine int, err error) {
	message := make([]byte, 1)
	if _, err := conn.Write(message); err != nil {
		return 0, 0, err
	}
	_, _, before, _ := runtime.Caller(0)
	_, quickErr := io.ReadFull(conn, message)
	_, slowErr := io.ReadFull(conn, message)
	if quickErr != nil {
		return 0, 0, quickErr
	}
	return before + 1, before + 2, slowErr
}

// answer sends, for each question, one byte soon and one late.
func answer(conn net.Conn) {
	message := make([]byte, 1)
	for {
		if _, err := io.ReadFull(conn, message); err != nil {
			return
		}
		for _, delay := range [...]time.Duration{quick, slow} {
			time.Sleep(delay)
			if _, err := conn.Write(message); err != nil {
				return
			}
		}
	}
}

func pair() (near, far net.Conn, err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	defer listener.Close()
	if near, err = net.Dial("tcp", listener.Addr().String()); err != nil {
		return nil, nil, err
	}
	far, err = listener.Accept()
	return near, far, err
}
