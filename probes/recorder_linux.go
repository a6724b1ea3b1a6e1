package probes

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/netpolltrace/netpolltrace/wait"
)

// Options are how to record.
type Options struct {
	Features *Features // what is known of this machine already; nil for nothing
	Backend  Backend   // empty: the cheapest that works
	Mode     wait.Mode // of processes that are not given another
	Limits   Limits    // zero: [DefaultLimits]
	Host     string    // empty: this machine's name
	Tool     string    // version of netpolltrace
	Follow   Follow    // what to do with the children of processes
	// NoHandoffs leaves out the probe of handoffs ([wait.KindHandoff]).
	NoHandoffs bool
	// KeepRunning has [Recorder.Run] go on when no process is left.
	KeepRunning bool
}

// Limits bound what a recording may use. All are numbers of entries, for all
// processes together, but RingBuffer, which is bytes and a power of two.
type Limits struct {
	RingBuffer    int
	MaxProcesses  int // at a time; 256 at most
	MaxGoroutines int
	MaxFDs        int
	MaxStacks     int
	Stacks        bool // capture them
}

// DefaultLimits suit programs of some ten thousand goroutines.
func DefaultLimits() Limits {
	return Limits{
		RingBuffer: 8 << 20, MaxProcesses: maxProcesses, MaxGoroutines: 65536, MaxFDs: 65536, MaxStacks: 16384, Stacks: true,
	}
}

// Recorder records the waits of processes. It is a [wait.Source]. Its methods
// may be called concurrently, but Close.
type Recorder struct {
	options     Options
	plan        *Plan
	machine     *machine
	executables executables
	backlog     *backlog // nil once it was taken
	// wallOffset is the wall clock minus CLOCK_MONOTONIC, in nanoseconds.
	wallOffset int64

	// changing is held while processes are added and removed, and modes changed.
	changing sync.Mutex

	mu        sync.Mutex
	meta      wait.Meta
	processes []*traced // in the order in which they joined
	numbers   *numbers
	described bool                    // meta was given away: what changes from then on is told by events
	ended     bool                    // nothing can be added any longer
	tasks     []func(wait.Sink) error // for [Recorder.Run] to do
	joins     sync.WaitGroup          // children that are being looked at
	joining   atomic.Int64            // how many there are
	turn      sync.Mutex              // held while one of them is
	left      Counts                  // of processes that left
	table     [maxProcesses]atomic.Pointer[traced]

	delivered atomic.Uint64
	lost      atomic.Uint64

	// What follows belongs to Run.
	price      wait.Price
	calibrated chan calibration // delivers the price once
	timing     timing
	gone       map[uint32]bool // numbers of processes that left since the last sweep
	following  following
	skipped    uint64 // runs that the kernel skipped, as told so far
}

// Open loads the programs and attaches those that do not belong to a process.
// It fails only where nothing can be recorded at all.
func Open(options Options) (*Recorder, error) {
	if options.Features == nil {
		options.Features = new(Features)
	}
	if options.Limits == (Limits{}) {
		options.Limits = DefaultLimits()
	}
	plan, err := Choose(options.Features, options.Mode, options.Backend)
	if err != nil {
		return nil, err
	}
	if options.Host == "" {
		if options.Host, err = os.Hostname(); err != nil {
			return nil, fmt.Errorf("reading this machine's name: %w", err)
		}
	}
	r := &Recorder{options: options, plan: plan, numbers: newNumbers(options.Limits.MaxProcesses), gone: make(map[uint32]bool)}
	if err := r.describe(); err != nil {
		return nil, err
	}
	if r.machine, err = loadMachine(plan, options.Limits); err != nil {
		return nil, err
	}
	r.backlog = collect(r.machine.reader)
	r.timing = startTiming(r.machine.programs(uprobePrograms()), r.machine.programs(plan.hookPrograms()))
	// What a hit costs is asked for when the first are accounted for.
	r.calibrated = make(chan calibration, 1)
	go func() { r.calibrated <- calibrate(plan) }()
	return r, nil
}

// describe fills in what there is to say of the machine.
func (r *Recorder) describe() error {
	var uname unix.Utsname
	if err := unix.Uname(&uname); err != nil {
		return fmt.Errorf("reading the kernel's version: %w", err)
	}
	r.meta = wait.Meta{
		Host: r.options.Host, Kernel: unix.ByteSliceToString(uname.Release[:]), Arch: runtime.GOARCH,
		Tool: r.options.Tool, Probes: r.plan.Lines, Unmeasured: r.plan.Unmeasured,
	}
	r.startClock()
	return nil
}

// startClock has the recording begin now.
func (r *Recorder) startClock() {
	r.meta.ClockBase = monotonicNow()
	r.meta.Started = time.Now()
	r.wallOffset = r.meta.Started.UnixNano() - r.meta.ClockBase
}

// Meta implements [wait.Source]. It is to be asked for when the processes were
// added that are to be recorded from the start: those that are added later are
// told by events.
func (r *Recorder) Meta() *wait.Meta {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.described = true
	return &r.meta
}

// Stats implements [wait.Source].
func (r *Recorder) Stats() wait.Stats {
	s := wait.Stats{Delivered: r.delivered.Load(), Lost: r.lost.Load()}
	for _, t := range r.all() {
		s.Processes = append(s.Processes, t.stats())
	}
	return s
}

// all are the processes that are recorded now.
func (r *Recorder) all() []*traced {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.processes)
}

// find is the process with a PID; nil if that is not recorded.
func (r *Recorder) find(pid int) *traced {
	for _, t := range r.all() {
		if t.target.Process.PID == pid {
			return t
		}
	}
	return nil
}

// numbered is the process with a number; nil for one that is gone.
func (r *Recorder) numbered(number uint32) *traced {
	if t := r.table[indexOf(number)].Load(); t != nil && t.number == number {
		return t
	}
	return nil
}

// whileRunning has Run do something with its sink, between two records. It does
// nothing while the recording is not described.
func (r *Recorder) whileRunning(task func(wait.Sink) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.described {
		r.tasks = append(r.tasks, task)
	}
}

// Close implements [wait.Source]: it detaches whatever is attached and frees
// everything.
func (r *Recorder) Close() error {
	r.end()
	_, err := r.takeBacklog()
	errs := []error{err}
	for _, t := range r.all() {
		errs = append(errs, r.drop(t))
	}
	errs = append(errs, r.timing.stop(), r.machine.close())
	return errors.Join(errs...)
}

// end waits for what is being added, and has nothing be added after that.
func (r *Recorder) end() {
	r.changing.Lock()
	r.mu.Lock()
	r.ended = true
	r.mu.Unlock()
	r.changing.Unlock()
	r.joins.Wait()
}

// hasEnded tells whether nothing can be added any longer.
func (r *Recorder) hasEnded() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ended
}

// monotonicNow is the clock of bpf_ktime_get_ns.
func monotonicNow() int64 {
	var t unix.Timespec
	// The call fails only for a clock that does not exist.
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &t)
	return t.Nano()
}
