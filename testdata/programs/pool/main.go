// Command pool asks an HTTP server over one connection that is kept alive, with
// pauses between answer and question: to wait is then sometimes idle, and
// sometimes to be kept waiting.
//
// Command: run ROUNDS PAUSE ANSWER, the last two being durations: how long the
// client pauses before it asks, and how long the server takes to answer.
// Result: how long the pauses and the answers took in all, in nanoseconds.
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/netpolltrace/netpolltrace/testdata/cue"
)

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	cue.Check(err)
	var answer time.Duration
	var answers time.Duration
	go http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		began := time.Now()
		time.Sleep(answer)
		answers += time.Since(began)
		io.WriteString(w, "fine")
	}))
	client := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1}}
	cue.Serve("", map[string]cue.Command{"run": func(args []string) (string, error) {
		if len(args) != 3 {
			return "", fmt.Errorf("want rounds, pause and answer, have %d arguments", len(args))
		}
		rounds, err := strconv.Atoi(args[0])
		if err != nil {
			return "", err
		}
		pause, err := time.ParseDuration(args[1])
		if err != nil {
			return "", err
		}
		if answer, err = time.ParseDuration(args[2]); err != nil {
			return "", err
		}
		var pauses time.Duration
		answers = 0
		for i := 0; i < rounds; i++ {
			began := time.Now()
			time.Sleep(pause)
			pauses += time.Since(began)
			if err := ask(client, "http://"+listener.Addr().String()); err != nil {
				return "", err
			}
		}
		return fmt.Sprintf("pauses_ns=%d answers_ns=%d", pauses, answers), nil
	}})
}

func ask(client *http.Client, url string) error {
	response, err := client.Get(url)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return err
}
