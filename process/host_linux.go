package process

import (
	"context"

	"github.com/netpolltrace/netpolltrace/wait"
)

// WatchHost is a [Watch] of a process of which only the identity is known: it
// opens the process, and watches it until the context ends. A process that
// cannot be opened, since it exited meanwhile, has nothing to tell. The error is
// the sink's.
func WatchHost(ctx context.Context, identity *wait.Process, gomaxprocs int, sink wait.Sink) error {
	p, err := Open(int(identity.PID))
	if err != nil {
		return nil
	}
	defer p.Close()
	return p.Watch(WatchConfig{Process: identity, GOMAXPROCS: gomaxprocs}).Run(ctx, sink)
}
