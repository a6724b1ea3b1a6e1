// Package recorder records several processes, each by a recorder of package
// probes of its own, until package probes does that itself.
package recorder

import (
	"context"
	"errors"
	"fmt"
	"maps"
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

// Limits bound what a recording may use.
type Limits struct {
	RingBuffer    int // bytes, a power of two
	MaxProcesses  int
	MaxGoroutines int
	MaxFDs        int
	MaxStacks     int
	Stacks        bool // capture them
}

// DefaultLimits suit programs of some ten thousand goroutines.
func DefaultLimits() Limits {
	l := probes.DefaultOptions()
	return Limits{
		RingBuffer: l.RingBuffer, MaxProcesses: 64, MaxGoroutines: l.MaxGoroutines,
		MaxFDs: l.MaxFDs, MaxStacks: l.MaxStacks, Stacks: l.Stacks,
	}
}

// Options are how to record.
type Options struct {
	Features *probes.Features // what is known of this machine already; nil for nothing
	Backend  probes.Backend   // empty: the cheapest that works
	Mode     wait.Mode
	Limits   Limits // zero: the default
	Host     string // empty: this machine's name
	Tool     string // version of netpolltrace
}

// TargetOptions are how to record one process.
type TargetOptions struct {
	Mode wait.Mode // empty: that of the Options
	// Fresh tells that the target has not run its first instruction yet: there
	// is nothing to look over and nothing waits.
	Fresh bool
	// Args are stored in the recording; nil unless the user asked for it.
	Args []string
}

// Recorder is a [wait.Source].
type Recorder struct {
	options Options
	meta    wait.Meta

	mu      sync.Mutex
	targets []*target
	sink    wait.Sink // while it runs
	group   *errgroup.Group
	ctx     context.Context
	left    wait.Stats // of processes that left
}

type target struct {
	process  *process.Process
	binary   *gobinary.Binary
	identity *wait.Process
	mode     wait.Mode
	recorder *probes.Recorder
	stop     context.CancelFunc
	stopped  chan struct{}
}

// Open makes a recorder of no process.
func Open(options Options) (*Recorder, error) {
	if options.Features == nil {
		options.Features = new(probes.Features)
	}
	if options.Limits == (Limits{}) {
		options.Limits = DefaultLimits()
	}
	var err error
	if options.Host == "" {
		if options.Host, err = os.Hostname(); err != nil {
			return nil, fmt.Errorf("reading this machine's name: %w", err)
		}
	}
	plan, err := probes.Choose(options.Features, options.Mode, options.Backend)
	if err != nil {
		return nil, err
	}
	var uname unix.Utsname
	if err := unix.Uname(&uname); err != nil {
		return nil, fmt.Errorf("reading the kernel's version: %w", err)
	}
	return &Recorder{options: options, meta: wait.Meta{
		Host: options.Host, Kernel: unix.ByteSliceToString(uname.Release[:]), Arch: runtime.GOARCH,
		Tool: options.Tool, Probes: plan.Lines, Unmeasured: maps.Clone(plan.Unmeasured),
	}}, nil
}

// Add records a process too, which must stay open as long as the recorder.
func (r *Recorder) Add(p *process.Process, options TargetOptions) (*wait.Target, error) {
	mode := options.Mode
	if mode == "" {
		mode = r.options.Mode
	}
	plan, err := probes.Choose(r.options.Features, mode, r.options.Backend)
	if err != nil {
		return nil, err
	}
	binary, err := gobinary.Open(p.ExePath())
	if err != nil {
		return nil, fmt.Errorf("process %d (%s): %w", p.PID, p.Name, err)
	}
	t := &target{
		process: p, binary: binary, mode: plan.Mode, stopped: make(chan struct{}),
		identity: &wait.Process{Host: r.options.Host, Name: p.Name, PID: int32(p.PID)},
	}
	procs, err := r.attach(t, plan, options.Fresh)
	if err != nil {
		return nil, errors.Join(err, t.close())
	}
	meta := wait.Target{
		Exe: p.Exe, PID: p.PID, Go: binary.GoVersion, BuildID: binary.BuildID,
		GOMAXPROCS: procs, Args: options.Args, Mode: plan.Mode, Unmeasured: plan.Unmeasured,
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.targets = append(r.targets, t)
	if r.sink != nil {
		r.start(t)
		return &meta, r.sink.Event(t.event("recorded from here on", &wait.TargetChange{State: wait.TargetJoined, Target: &meta}))
	}
	if len(r.meta.Targets) == 0 {
		r.meta.Started, r.meta.ClockBase = t.recorder.Began(), t.recorder.ClockBase()
	}
	r.meta.Targets = append(r.meta.Targets, meta)
	maps.Copy(r.meta.Unmeasured, plan.Unmeasured)
	return &meta, nil
}

func (r *Recorder) attach(t *target, plan *probes.Plan, fresh bool) (gomaxprocs int, err error) {
	known, err := probes.NewTarget(t.binary, t.process)
	if err != nil {
		return 0, fmt.Errorf("process %d (%s): %w", t.process.PID, t.process.Name, err)
	}
	if gomaxprocs, err = lookOver(known, fresh); err != nil {
		return 0, err
	}
	l := r.options.Limits
	if t.recorder, err = probes.Attach(known, plan, probes.Options{
		RingBuffer: l.RingBuffer, MaxGoroutines: l.MaxGoroutines, MaxFDs: l.MaxFDs, MaxStacks: l.MaxStacks,
		Stacks: l.Stacks, Identity: t.identity,
	}); err != nil || fresh {
		return gomaxprocs, err
	}
	snapshot, err := t.process.Goroutines(t.binary)
	if err != nil {
		return 0, err
	}
	return gomaxprocs, t.recorder.Adopt(snapshot)
}

// lookOver checks that what the executable promises holds in the process:
// wrong numbers would be worse than none, and a wrong probe would do harm.
func lookOver(known *probes.Target, fresh bool) (gomaxprocs int, err error) {
	if fresh {
		return 0, unproven(known, nil)
	}
	snapshot, err := known.Process.Goroutines(known.Binary)
	if err != nil {
		return 0, err
	}
	if err := unproven(known, snapshot.Goroutines); err != nil {
		return 0, err
	}
	if snapshot.EpFD >= 0 {
		known.Decoding = snapshot.Decoding
	}
	return snapshot.GOMAXPROCS, nil
}

// unproven is the error of a layout that is a guess which no goroutine has
// proved: that of one which waits for a descriptor proves it, since its
// pollDesc was found to have the descriptor's number.
func unproven(known *probes.Target, all []process.Goroutine) error {
	proof := func(g process.Goroutine) bool { return g.PollDesc != 0 }
	if !known.Layout.Guess || slices.ContainsFunc(all, proof) {
		return nil
	}
	return fmt.Errorf("%s is not known (%s), and the program has no goroutine yet that waits for a descriptor, to check with: "+
		"attach while it has one, build it without -ldflags=-w, or use a newer netpolltrace", known.Binary.GoVersion, known.Layout.Source)
}

// Remove ends the recording of a process.
func (r *Recorder) Remove(pid int) error {
	r.mu.Lock()
	i := slices.IndexFunc(r.targets, func(t *target) bool { return t.process.PID == pid })
	if i < 0 {
		r.mu.Unlock()
		return fmt.Errorf("process %d is not recorded", pid)
	}
	t := r.targets[i]
	r.mu.Unlock()
	if t.stop != nil {
		t.stop()
		<-t.stopped
		return nil
	}
	r.remove(t)
	return t.close()
}

// Meta implements [wait.Source].
func (r *Recorder) Meta() *wait.Meta { return &r.meta }

// Run implements [wait.Source].
func (r *Recorder) Run(ctx context.Context, sink wait.Sink) error {
	var group errgroup.Group
	r.mu.Lock()
	r.ctx, r.sink, r.group = ctx, &serial{sink: sink}, &group
	for _, t := range r.targets {
		r.start(t)
	}
	r.mu.Unlock()
	return group.Wait()
}

func (r *Recorder) start(t *target) {
	var ctx context.Context
	ctx, t.stop = context.WithCancel(r.ctx)
	sink := r.sink
	r.group.Go(func() error {
		defer close(t.stopped)
		err := t.recorder.Run(ctx, sink)
		change := &wait.TargetChange{State: wait.TargetLeft}
		note := "no longer recorded"
		switch {
		case errors.Is(err, process.ErrExited):
			change.State, note = wait.TargetExited, err.Error()
		case errors.Is(err, process.ErrExec):
			change.State, note = wait.TargetExec, err.Error()
		case err != nil || r.ctx.Err() != nil:
			return err
		}
		r.remove(t)
		return errors.Join(sink.Event(t.event(note, change)), t.close())
	})
}

func (r *Recorder) remove(t *target) {
	r.mu.Lock()
	defer r.mu.Unlock()
	stats := t.recorder.Stats()
	r.left.Delivered += stats.Delivered
	r.left.Lost += stats.Lost
	r.targets = slices.DeleteFunc(r.targets, func(other *target) bool { return other == t })
}

func (t *target) event(note string, change *wait.TargetChange) *wait.Event {
	return &wait.Event{
		Kind: wait.EventTarget, Start: time.Now().UnixNano(), Duration: wait.Unmeasured,
		Count: 1, Process: t.identity, Note: note, Detail: change,
	}
}

// Stats implements [wait.Source].
func (r *Recorder) Stats() wait.Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.left
	for _, t := range r.targets {
		stats := t.recorder.Stats()
		s.Delivered += stats.Delivered
		s.Lost += stats.Lost
		p := wait.ProcessStats{Process: t.identity, Mode: t.mode, Hits: stats.Hits, Cost: stats.Cost, CPU: wait.Unmeasured}
		if cpu, err := t.process.CPUTime(); err == nil {
			p.CPU = cpu
		}
		s.Processes = append(s.Processes, p)
	}
	return s
}

// SetMode implements [wait.Source].
func (r *Recorder) SetMode(*wait.Process, wait.Mode) error {
	return errors.New("a process that is recorded keeps its mode")
}

// Close implements [wait.Source].
func (r *Recorder) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var errs []error
	for _, t := range r.targets {
		errs = append(errs, t.close())
	}
	r.targets = nil
	return errors.Join(errs...)
}

func (t *target) close() error {
	err := t.binary.Close()
	if t.recorder != nil {
		err = errors.Join(t.recorder.Close(), err)
	}
	return err
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
