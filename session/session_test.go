package session_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/netpolltrace/netpolltrace/session"
	"github.com/netpolltrace/netpolltrace/wait"
)

// source is a source that does as it is told.
type source struct {
	meta wait.Meta
	// run is what Run does; without it, it waits for the context's end.
	run func(ctx context.Context, sink wait.Sink) error
	// stats are the figures after a time.
	stats func(elapsed time.Duration) wait.Stats
}

func (s *source) Meta() *wait.Meta                       { return &s.meta }
func (s *source) SetMode(*wait.Process, wait.Mode) error { return nil }
func (s *source) Close() error                           { return nil }

func (s *source) Run(ctx context.Context, sink wait.Sink) error {
	if s.run != nil {
		return s.run(ctx, sink)
	}
	<-ctx.Done()
	return nil
}

func (s *source) Stats() wait.Stats {
	if s.stats == nil {
		return wait.Stats{}
	}
	return s.stats(time.Since(s.meta.Started))
}

// begun makes the source begin now.
func (s *source) begun() *source {
	s.meta.Started = time.Now()
	return s
}

// log keeps what a sink is told, in words.
type log struct {
	mu     sync.Mutex
	lines  []string
	refuse wait.EventKind // an error for events of this kind
}

var errFull = errors.New("the disk is full")

func (l *log) Wait(*wait.Wait) error { return l.add("wait") }

func (l *log) Event(e *wait.Event) error {
	if e.Kind == l.refuse {
		return errFull
	}
	line := string(e.Kind)
	if change, ok := e.Detail.(*wait.TargetChange); ok {
		line = string(change.State)
	}
	if e.Process != nil {
		line = e.Process.Name + " " + line
	}
	if e.Kind == wait.EventEnd {
		line = fmt.Sprintf("%s after %v", line, e.Duration)
	}
	return l.add(line)
}

func (l *log) add(line string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, line)
	return nil
}

func (l *log) check(t *testing.T, want ...string) {
	t.Helper()
	if !slices.Equal(l.lines, want) {
		t.Errorf("the sink was told %q, want %q", l.lines, want)
	}
}

var (
	shop  = &wait.Process{Name: "shop", PID: 1}
	store = &wait.Process{Name: "store", PID: 2}
)

func TestARecordingEnds(t *testing.T) {
	for name, c := range map[string]struct {
		source  source
		config  session.Config
		limit   time.Duration // of the context
		seconds int
	}{
		"when the context does":    {limit: 7 * time.Second, seconds: 7},
		"when the time is up":      {config: session.Config{Duration: 5 * time.Second}, limit: time.Hour, seconds: 5},
		"when nothing is left":     {source: source{run: sleepFor(3 * time.Second)}, limit: time.Hour, seconds: 3},
		"whichever is the soonest": {source: source{run: sleepFor(time.Hour)}, config: session.Config{Duration: 4 * time.Second}, limit: 2 * time.Second, seconds: 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), c.limit)
				defer cancel()
				var said log
				if err := session.Run(ctx, c.source.begun(), &said, c.config); err != nil {
					t.Fatal(err)
				}
				said.check(t, fmt.Sprintf("end after %ds", c.seconds))
			})
		})
	}
}

// sleepFor is a source that has nothing left to record after a time.
func sleepFor(d time.Duration) func(context.Context, wait.Sink) error {
	return func(ctx context.Context, _ wait.Sink) error {
		select {
		case <-ctx.Done():
		case <-time.After(d):
		}
		return nil
	}
}

// watch tells of a process once when it begins and once when it ends.
func watch(ctx context.Context, p *wait.Process, gomaxprocs int, sink wait.Sink) error {
	if err := sink.Event(&wait.Event{Kind: wait.EventKind(fmt.Sprintf("with %d processors", gomaxprocs)), Process: p}); err != nil {
		return err
	}
	<-ctx.Done()
	return sink.Event(&wait.Event{Kind: wait.EventCPU, Process: p})
}

func change(state wait.TargetState, p *wait.Process, target *wait.Target) *wait.Event {
	return &wait.Event{Kind: wait.EventTarget, Process: p, Detail: &wait.TargetChange{State: state, Target: target}}
}

func TestEachProcessIsWatchedFromItsBeginningToItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := source{
			meta:  wait.Meta{Targets: []wait.Target{{PID: 1, GOMAXPROCS: 4}}},
			stats: func(time.Duration) wait.Stats { return wait.Stats{Processes: []wait.ProcessStats{{Process: shop}}} },
			run: func(_ context.Context, sink wait.Sink) error {
				for _, e := range []*wait.Event{
					change(wait.TargetJoined, store, &wait.Target{PID: 2, GOMAXPROCS: 8}),
					change(wait.TargetExited, shop, nil),
				} {
					synctest.Wait() // for the watches
					if err := sink.Event(e); err != nil {
						return err
					}
				}
				synctest.Wait()
				return sink.Wait(new(wait.Wait))
			},
		}
		var said log
		if err := session.Run(t.Context(), s.begun(), &said, session.Config{Watch: watch}); err != nil {
			t.Fatal(err)
		}
		said.check(t, "shop with 4 processors", "store joined", "store with 8 processors", "shop cpu", "shop exited",
			"wait", "store cpu", "end after 0s")
	})
}

func TestAProcessThatLeavesWithoutAWatchIsNoFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := source{run: func(_ context.Context, sink wait.Sink) error {
			return errors.Join(sink.Event(change(wait.TargetJoined, shop, nil)), sink.Event(change(wait.TargetExec, shop, nil)))
		}}
		var said log
		if err := session.Run(t.Context(), s.begun(), &said, session.Config{}); err != nil {
			t.Fatal(err)
		}
		said.check(t, "shop joined", "shop exec", "end after 0s")
	})
}

func TestWhoeverMeetsAnErrorOfTheSinkEndsTheRecording(t *testing.T) {
	for name, kind := range map[string]wait.EventKind{
		"the source": wait.EventTarget,
		"a watch":    wait.EventCPU,
		"the guard":  wait.EventMode,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := expensive()
				s.run = func(ctx context.Context, sink wait.Sink) error {
					if err := sink.Event(change(wait.TargetJoined, store, nil)); err != nil {
						return err
					}
					<-ctx.Done()
					return nil
				}
				said := log{refuse: kind}
				config := session.Config{MaxOverhead: 0.01, Watch: func(_ context.Context, p *wait.Process, _ int, sink wait.Sink) error {
					return sink.Event(&wait.Event{Kind: wait.EventCPU, Process: p})
				}}
				if err := session.Run(t.Context(), s.begun(), &said, config); !errors.Is(err, errFull) {
					t.Errorf("the error is %v, want %v", err, errFull)
				}
				if slices.ContainsFunc(said.lines, func(line string) bool { return line[:3] == "end" }) {
					t.Errorf("the recording is said to have ended in good order: %q", said.lines)
				}
			})
		})
	}
}
