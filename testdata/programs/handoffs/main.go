// Command handoffs has goroutines wait for others that wait for the network, and
// for others that do not.
//
// Commands: get ROUNDS asks a server in this process over HTTP, whose answers
// take some time; result: the line that asks. pass passes numbers through
// channels as fast as it can, until its next command; stop ends that.
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"time"

	"github.com/netpolltrace/netpolltrace/testdata/cue"
)

// answerTime is so long that a client's goroutines all wait for the answer.
const answerTime = 2 * time.Millisecond

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	cue.Check(err)
	go http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(answerTime)
		io.WriteString(w, "answer")
	}))
	url := "http://" + listener.Addr().String()
	over := make(chan struct{})
	cue.Serve("", map[string]cue.Command{
		"get": func(args []string) (string, error) {
			if len(args) != 1 {
				return "", fmt.Errorf("want a number of rounds, have %d arguments", len(args))
			}
			rounds, err := strconv.Atoi(args[0])
			if err != nil {
				return "", err
			}
			line := 0
			for i := 0; i < rounds; i++ {
				if line, err = ask(url); err != nil {
					return "", err
				}
			}
			return fmt.Sprintf("line=%d", line), nil
		},
		"pass": func([]string) (string, error) {
			go pass(over)
			return "", nil
		},
		"stop": func([]string) (string, error) {
			over <- struct{}{}
			return "", nil
		},
	})
}

// ask asks once.
func ask(url string) (line int, err error) {
	_, _, before, _ := runtime.Caller(0)
	response, err := http.Get(url)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return before + 1, err
}

// pass passes numbers to and fro.
func pass(over <-chan struct{}) {
	there, back := make(chan int), make(chan int)
	go func() {
		for n := range there {
			back <- n
		}
	}()
	defer close(there)
	for {
		select {
		case <-over:
			return
		case there <- 1:
			<-back
		}
	}
}
