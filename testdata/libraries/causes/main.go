// Command causes has goroutines wait for each other in the ways that services do,
// and for peers in the end, while it traces itself: the truth for what an
// explanation of their waits says. Its peers are a process of its own, so that only
// one side of each conversation is in the trace.
//
// Its words with ready are the addresses of the peers: users=127.0.0.1:4711 ...
//
// Command: run SCENARIO [TRACE]. The trace is written to the file TRACE. Result:
// what the scenario measured by its own clock, in nanoseconds: how long each of its
// callers was kept waiting by each peer.
package main

import (
	"fmt"
	"os"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/netpolltrace/netpolltrace/testdata/cue"
)

// scenarios are the ways to wait. Each takes a second or two.
var scenarios = map[string]func(*peers, *clock) error{
	"http":   askByHTTP,
	"unary":  askByUnaryCalls,
	"stream": askByStreams,
	"pool":   shareConnections,
	"lock":   lockDuringQueries,
	"queue":  queueForWorkers,
	"group":  fanOut,
	"chain":  askAlongAChain,
	"busy":   workBesideBusyLoops,
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == asPeers {
		servePeers()
		return
	}
	peers, err := startPeers()
	cue.Check(err)
	defer peers.close()
	cue.Serve(peers.words(), map[string]cue.Command{"run": func(args []string) (string, error) {
		if len(args) < 1 || len(args) > 2 {
			return "", fmt.Errorf("want a scenario and perhaps a file, have %d arguments", len(args))
		}
		scenario, ok := scenarios[args[0]]
		if !ok {
			return "", fmt.Errorf("no scenario is called %q", args[0])
		}
		traceFile := ""
		if len(args) == 2 {
			traceFile = args[1]
		}
		measured := new(clock)
		err := cue.Trace(traceFile, func() error { return scenario(peers, measured) })
		return measured.String(), err
	}})
}

// clock adds up how long things took.
type clock struct {
	mu   sync.Mutex
	sums map[string]time.Duration
}

// since adds the time that has passed since something began.
func (c *clock) since(began time.Time, name string) {
	d := time.Since(began)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sums == nil {
		c.sums = make(map[string]time.Duration)
	}
	c.sums[name] += d
}

func (c *clock) String() string {
	var words []string
	for name, d := range c.sums {
		words = append(words, fmt.Sprintf("%s=%d", name, d))
	}
	sort.Strings(words)
	return strings.Join(words, " ")
}

// together runs a function in n goroutines and returns one of their errors.
func together(n int, work func(number int) error) error {
	errs := make(chan error, n)
	for i := range n {
		go func() { errs <- work(i) }()
	}
	var first error
	for range n {
		if err := <-errs; first == nil {
			first = err
		}
	}
	return first
}
