// Package session is one recording from start to end: it runs a source, watches
// what the host does to each process meanwhile, holds what the probes cost
// against what they may cost, and hands all of it to one sink. Every command
// that records uses it. It knows sources by their interface only, and works on
// every system.
package session

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/netpolltrace/netpolltrace/wait"
)

// Config is how to record. The zero value records until the context ends or
// nothing is left to record.
type Config struct {
	// Duration is how long to record at most; 0 for no limit.
	Duration time.Duration
	// Watch tells what the host lets a process have; nil where nothing does.
	Watch Watch
	// MaxOverhead is the share of a process's CPU time that the probes may cost
	// before the user is warned; 0 for no limit.
	MaxOverhead float64
	// Progress, if set, is called each second, and at the end where a recording that
	// was too short for a verdict turns out to be over budget; by one goroutine at a
	// time. What it is given is its own.
	Progress func(Progress)
}

// Watch tells of a process in events, until the context ends, how much CPU the
// host lets it have. gomaxprocs is 0 if it is not known. A process that cannot
// be looked at, since it exited, is no error: errors are the sink's.
type Watch func(ctx context.Context, p *wait.Process, gomaxprocs int, sink wait.Sink) error

// Run records from a source into a sink, until the context ends, the time is up
// or nothing is left to record; none of these is an error. The source is not
// closed.
func Run(ctx context.Context, source wait.Source, sink wait.Sink, config Config) error {
	if config.Duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, config.Duration)
		defer cancel()
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	shared := &serial{sink: sink}
	hosts := newHosts(ctx, stop, config.Watch, shared)
	hosts.begin(source)
	var group errgroup.Group
	group.Go(func() error {
		defer stop()
		return source.Run(ctx, hosts)
	})
	guard := newGuard(source, &config)
	group.Go(func() error {
		defer stop()
		return guard.run(ctx, shared)
	})
	if err := errors.Join(group.Wait(), hosts.end()); err != nil {
		return err
	}
	if err := guard.conclude(shared); err != nil {
		return err
	}
	return shared.Event(&wait.Event{
		Kind: wait.EventEnd, Start: time.Now().UnixNano(), Duration: time.Since(source.Meta().Started), Count: 1,
		Note: "the recording ended in good order",
	})
}

// serial makes one caller at a time of several.
type serial struct {
	mu   sync.Mutex
	sink wait.Sink
}

func (s *serial) Wait(w *wait.Wait) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sink.Wait(w)
}

func (s *serial) Event(e *wait.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sink.Event(e)
}
