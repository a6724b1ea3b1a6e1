// Command shop is the workload of "netpolltrace demo", which traces itself. Its
// peers are a second process of the same executable.
//
// Command: run DURATION MODE TRACE.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/netpolltrace/netpolltrace/testdata/cue"
	"github.com/netpolltrace/netpolltrace/testdata/workload"
)

// idle is how many connections stay idle.
const idle = 50

// asPeers is the argument that makes the program the other side.
const asPeers = "peers"

func main() {
	if len(os.Args) == 2 && os.Args[1] == asPeers {
		cue.Check(workload.Peers(context.Background(), os.Stdin, os.Stdout))
		return
	}
	cue.Serve("", map[string]cue.Command{"run": run})
}

func run(args []string) (string, error) {
	if len(args) != 3 {
		return "", fmt.Errorf("want a duration, a mode and a file, have %d arguments", len(args))
	}
	length, err := time.ParseDuration(args[0])
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), length)
	defer cancel()
	return "", cue.Trace(args[2], func() error {
		return workload.Run(ctx, io.Discard, workload.Options{
			Mode: workload.Mode(args[1]), Idle: idle, Peers: []string{os.Args[0], asPeers},
		})
	})
}
