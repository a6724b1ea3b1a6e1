// Package session is one recording from start to end: it looks the target
// over, chooses and attaches the probes, takes over the waits that are under
// way, watches what the host does meanwhile, and hands all of it to one sink.
// Every command that records uses it.
package session

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/netpolltrace/netpolltrace/gobinary"
	"github.com/netpolltrace/netpolltrace/probes"
	"github.com/netpolltrace/netpolltrace/process"
	"github.com/netpolltrace/netpolltrace/wait"
)

// Config is how to record.
type Config struct {
	Mode    wait.Mode
	Backend probes.Backend // empty: the cheapest that works
	// Features is what is known of this machine already; nil for nothing.
	Features *probes.Features
	Limits   probes.Options
	// MaxOverhead is the share of the target's CPU time that the probes may
	// cost before the user is warned; 0 for no limit.
	MaxOverhead float64
	// Fresh tells that the target has not run its first instruction yet: there
	// is nothing to look over and nothing waits.
	Fresh bool
	// Args are stored in the recording; nil unless the user asked for it.
	Args []string
	// Tool is the version of netpolltrace.
	Tool string
	// Progress, if set, is called each second, from one goroutine.
	Progress func(Progress)
}

// Progress is how a recording is getting on.
type Progress struct {
	Elapsed    time.Duration
	Delivered  uint64  // waits so far
	PerSecond  float64 // in the last second
	Lost       uint64
	Overhead   float64 // share of the target's CPU time in the last three seconds; -1 if not known
	OverBudget bool    // above MaxOverhead for three seconds on end
}

// Session is a recording under way.
type Session struct {
	config   Config
	binary   *gobinary.Binary
	process  *process.Process
	recorder *probes.Recorder
	identity *wait.Process
	meta     *wait.Meta
	began    time.Time
	procs    int // GOMAXPROCS
}

// Open attaches to a process. From its return on, waits are recorded;
// [Session.Run] delivers them. The process is not closed with the session.
func Open(p *process.Process, config Config) (*Session, error) {
	s := &Session{config: config, process: p}
	binary, err := gobinary.Open(p.ExePath())
	if err != nil {
		return nil, fmt.Errorf("process %d (%s): %w", p.PID, p.Name, err)
	}
	s.binary = binary
	if err := s.attach(); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *Session) attach() error {
	target, err := probes.NewTarget(s.binary, s.process)
	if err != nil {
		return fmt.Errorf("process %d (%s): %w", s.process.PID, s.process.Name, err)
	}
	if err := s.lookOver(target); err != nil {
		return err
	}
	features := s.config.Features
	if features == nil {
		features = new(probes.Features)
	}
	plan, err := probes.Choose(features, s.config.Mode, s.config.Backend)
	if err != nil {
		return err
	}
	host, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("reading this machine's name: %w", err)
	}
	s.identity = &wait.Process{Host: host, Name: s.process.Name, PID: int32(s.process.PID)}
	s.config.Limits.Identity = s.identity
	if s.recorder, err = probes.Attach(target, plan, s.config.Limits); err != nil {
		return err
	}
	if err := s.adopt(); err != nil {
		return err
	}
	s.began = s.recorder.Began()
	s.meta, err = s.describe(plan, host)
	return err
}

// lookOver checks that what the executable promises holds in the process:
// wrong numbers would be worse than none, and a wrong probe would do harm.
func (s *Session) lookOver(target *probes.Target) error {
	if s.config.Fresh {
		return unproven(target.Layout, s.binary.GoVersion, nil)
	}
	snapshot, err := s.process.Goroutines(s.binary)
	if err != nil {
		return err
	}
	if err := unproven(target.Layout, s.binary.GoVersion, snapshot.Goroutines); err != nil {
		return err
	}
	s.procs = snapshot.GOMAXPROCS
	if snapshot.EpFD >= 0 {
		target.Decoding = snapshot.Decoding
	}
	return nil
}

// unproven is the error of a layout that is a guess which no goroutine has
// proved: that of one which waits for a descriptor proves it, since its
// pollDesc was found to have the descriptor's number.
func unproven(layout *gobinary.Layout, version string, all []process.Goroutine) error {
	proof := func(g process.Goroutine) bool { return g.PollDesc != 0 }
	if !layout.Guess || slices.ContainsFunc(all, proof) {
		return nil
	}
	return fmt.Errorf("%s is not known (%s), and the program has no goroutine yet that waits for a descriptor, to check with: "+
		"attach while it has one, build it without -ldflags=-w, or use a newer netpolltrace", version, layout.Source)
}

func (s *Session) adopt() error {
	if s.config.Fresh {
		return nil
	}
	snapshot, err := s.process.Goroutines(s.binary)
	if err != nil {
		return err
	}
	return s.recorder.Adopt(snapshot)
}

func (s *Session) describe(plan *probes.Plan, host string) (*wait.Meta, error) {
	var uname unix.Utsname
	if err := unix.Uname(&uname); err != nil {
		return nil, fmt.Errorf("reading the kernel's version: %w", err)
	}
	return &wait.Meta{
		Targets: []wait.Target{{
			Exe: s.process.Exe, PID: s.process.PID, Go: s.binary.GoVersion, BuildID: s.binary.BuildID,
			GOMAXPROCS: s.procs, Args: s.config.Args, Mode: plan.Mode,
		}},
		Host: host, Kernel: unix.ByteSliceToString(uname.Release[:]), Arch: runtime.GOARCH,
		Tool: s.config.Tool, Probes: plan.Lines,
		Started: s.began, ClockBase: s.recorder.ClockBase(), Unmeasured: plan.Unmeasured,
	}, nil
}

// Meta is what there is to say about the recording, complete when Open returns.
func (s *Session) Meta() *wait.Meta { return s.meta }

// Close detaches whatever is still attached.
func (s *Session) Close() error {
	var err error
	if s.recorder != nil {
		err = s.recorder.Close()
	}
	return errors.Join(err, s.binary.Close())
}

// Run delivers everything to the sink until the context ends, the target exits
// or it runs another program; none of these is an error.
func (s *Session) Run(ctx context.Context, sink wait.Sink) error {
	shared := &serial{sink: sink}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var group errgroup.Group
	group.Go(func() error {
		defer stop()
		return s.record(ctx, shared)
	})
	group.Go(func() error {
		watch := s.process.Watch(process.WatchConfig{Process: s.identity, GOMAXPROCS: s.procs})
		return watch.Run(ctx, shared)
	})
	group.Go(func() error {
		s.guard(ctx, shared)
		return nil
	})
	if err := group.Wait(); err != nil {
		return err
	}
	return shared.Event(s.event(wait.EventEnd, time.Since(s.began), "the recording ended in good order"))
}

func (s *Session) record(ctx context.Context, sink wait.Sink) error {
	err := s.recorder.Run(ctx, sink)
	if errors.Is(err, process.ErrExited) || errors.Is(err, process.ErrExec) {
		return sink.Event(s.event(wait.EventTarget, wait.Unmeasured, err.Error()))
	}
	return err
}

func (s *Session) event(kind wait.EventKind, d time.Duration, note string) *wait.Event {
	return &wait.Event{Kind: kind, Start: time.Now().UnixNano(), Duration: d, Count: 1, Process: s.identity, Note: note}
}

// serial makes one caller at a time of several sources.
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
