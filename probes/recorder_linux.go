package probes

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/ringbuf"
	"golang.org/x/sys/unix"

	"github.com/netpolltrace/netpolltrace/bpf"
	"github.com/netpolltrace/netpolltrace/process"
	"github.com/netpolltrace/netpolltrace/wait"
)

// Options bound what a recording may use. All are numbers of entries, but
// RingBuffer, which is bytes and a power of two.
type Options struct {
	RingBuffer    int
	MaxGoroutines int
	MaxFDs        int
	MaxStacks     int
	Stacks        bool // capture them
	// Identity goes into each wait.
	Identity *wait.Process
}

// DefaultOptions suit a program of some ten thousand goroutines.
func DefaultOptions() Options {
	return Options{RingBuffer: 8 << 20, MaxGoroutines: 65536, MaxFDs: 65536, MaxStacks: 16384, Stacks: true}
}

// Stats are the figures of a recording under way.
type Stats struct {
	Delivered uint64 // waits
	Lost      uint64 // waits that could not be delivered
	Hits      uint64 // of probes in the target
	Cost      time.Duration
}

// Recorder records the waits of one process. It is a [wait.Source].
type Recorder struct {
	target     *Target
	plan       *Plan
	config     bpf.WaitsWaitConfig
	collection *ebpf.Collection
	reader     *ringbuf.Reader
	backlog    *backlog // nil once it was taken
	attached   links
	decoder    *decoder
	price      Price
	calibrated chan calibration // delivers the price once
	timing     timing
	exec       bool
	phantoms   map[uint64]uint64 // goid by g: see Adopt
	adoption   adoption

	delivered atomic.Uint64
	lost      atomic.Uint64
	hits      atomic.Uint64
	cost      atomic.Int64
	reported  counts // what was told in events so far
	skipped   uint64 // likewise, of runs that the kernel skipped
}

// Attach loads the programs of the plan and attaches them to the target. From
// then on its waits are recorded; [Recorder.Run] delivers them.
func Attach(target *Target, plan *Plan, options Options) (*Recorder, error) {
	r := &Recorder{target: target, plan: plan}
	if err := r.load(options); err != nil {
		return nil, err
	}
	if err := r.start(options); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

func (r *Recorder) load(options Options) error {
	spec, err := bpf.LoadWaits()
	if err != nil {
		return err
	}
	r.plan.trim(spec, programsAt(r.places()))
	r.config = r.target.config(r.plan, options.Stacks)
	if err := spec.Variables[bpf.WaitsVarConfig].Set(r.config); err != nil {
		return fmt.Errorf("configuring the kernel programs: %w", err)
	}
	for name, entries := range map[string]int{
		bpf.WaitsMapRecords:   options.RingBuffer,
		bpf.WaitsMapSlots:     options.MaxGoroutines,
		bpf.WaitsMapPds:       options.MaxFDs,
		bpf.WaitsMapSockets:   options.MaxFDs,
		bpf.WaitsMapPolledFds: options.MaxFDs,
		bpf.WaitsMapStacks:    options.MaxStacks,
	} {
		spec.Maps[name].MaxEntries = uint32(entries)
	}
	r.collection, err = ebpf.NewCollection(spec)
	if err != nil {
		return fmt.Errorf("loading the kernel programs: %w", err)
	}
	return nil
}

func (r *Recorder) start(options Options) error {
	var err error
	if r.reader, err = ringbuf.NewReader(r.collection.Maps[bpf.WaitsMapRecords]); err != nil {
		return fmt.Errorf("opening the ring buffer: %w", err)
	}
	r.backlog = collect(r.reader)
	if err := r.visitFiles(); err != nil {
		return err
	}
	if err := r.attachHooks(); err != nil {
		return err
	}
	if err := r.attachUprobes(); err != nil {
		return err
	}
	r.decoder = r.newDecoder(options)
	r.timing = startTiming(r.uprobePrograms(), r.hookPrograms())
	// What a hit costs is asked for when the first are accounted for.
	r.calibrated = make(chan calibration, 1)
	go func() { r.calibrated <- calibrate(r.plan) }()
	return nil
}

func (r *Recorder) newDecoder(options Options) *decoder {
	monotonic := monotonicNow()
	symbolizer := process.NewSymbolizer(r.target.Binary, r.target.Bias)
	symbolizer.UsePlugins(r.target.Process)
	return &decoder{
		process:     options.Identity,
		wallOffset:  time.Now().UnixNano() - monotonic,
		began:       monotonic,
		reasons:     r.target.Reasons,
		descriptors: newDescriptors(),
		symbols: newSymbols(symbolizer, r.target.Bias, r.collection.Maps[bpf.WaitsMapStacks],
			r.target.Places),
		processors: &processors{
			memory: r.target.Process, idAt: r.target.Layout.P.ID, numbers: make(map[uint64]int32),
		},
		byEpoll: r.config.ReadinessByEpoll != 0,
	}
}

// visitFiles runs find_target: it learns which task the target is, and what
// the descriptors in polled_fds are.
func (r *Recorder) visitFiles() error {
	iter, err := link.AttachIter(link.IterOptions{Program: r.collection.Programs[bpf.WaitsProgFindTarget]})
	if err != nil {
		return fmt.Errorf("looking for the target in the kernel: %w", err)
	}
	defer iter.Close()
	files, err := iter.Open()
	if err != nil {
		return fmt.Errorf("looking for the target in the kernel: %w", err)
	}
	defer files.Close()
	if _, err := io.Copy(io.Discard, files); err != nil {
		return fmt.Errorf("looking for the target in the kernel: %w", err)
	}
	tgid, err := r.targetTGID()
	if err != nil {
		return err
	}
	if tgid == 0 {
		return fmt.Errorf("process %d has no open file that the kernel shows: is it still running?", r.target.Process.PID)
	}
	return nil
}

// targetTGID is the target's thread group as the kernel side knows it: 0 before
// it was found, and after it ran another program.
func (r *Recorder) targetTGID() (tgid uint32, err error) {
	if err := r.collection.Variables[bpf.WaitsVarTargetTgid].Get(&tgid); err != nil {
		return 0, fmt.Errorf("looking for the target in the kernel: %w", err)
	}
	return tgid, nil
}

func (r *Recorder) attachHooks() error {
	for _, h := range r.plan.hooks {
		for _, p := range h.programs {
			attached, err := p.attach(r.collection.Programs[p.name])
			if err != nil {
				return fmt.Errorf("attaching %s: %w", h.name, err)
			}
			r.attached = append(r.attached, attached)
		}
	}
	attached, err := attachRawTracepoint("sched_process_exec")(r.collection.Programs[bpf.WaitsProgTargetExec])
	if err != nil {
		return fmt.Errorf("attaching tracepoint sched_process_exec: %w", err)
	}
	r.attached = append(r.attached, attached)
	return nil
}

func (r *Recorder) attachUprobes() error {
	exe, err := link.OpenExecutable(r.target.Process.ExePath())
	if err != nil {
		return fmt.Errorf("opening the target's executable: %w", err)
	}
	for _, p := range r.places() {
		if !p.Place.Found() && p.Optional != "" {
			r.plan.Unmeasured[p.Optional] = "its place in the executable was not found"
			continue
		}
		if !p.Place.Found() {
			return fmt.Errorf("mode %s cannot record a program built like this (%s): choose another mode, or build it without -pgo",
				r.plan.Mode, strings.Join(r.target.Places.Missing, "; "))
		}
		if p.Place.Inlined && p.Partly != "" {
			r.plan.Unmeasured[p.Partly] = p.Place.Func + " is inlined elsewhere, too, where it is not seen: build the program without -pgo to measure all"
		}
		offset, err := r.target.Binary.FileOffset(p.Place.Addr)
		if err != nil {
			return fmt.Errorf("attaching a uprobe to %s: %w", p.Place.Func, err)
		}
		attached, err := r.plan.uprobe(exe, r.collection.Programs[p.Program], offset, r.target.Process.PID)
		if err != nil {
			return fmt.Errorf("attaching a uprobe to %s+%#x: %w", p.Place.Func, p.Place.Offset, err)
		}
		r.attached = append(r.attached, attached)
	}
	return nil
}

// places are where uprobes belong in the target.
func (r *Recorder) places() []ModePlace { return PlacesOf(r.plan.Mode, r.target.Places) }

// Close detaches whatever is attached and frees everything.
func (r *Recorder) Close() error {
	_, err := r.takeBacklog()
	errs := []error{err, r.detach(), r.timing.stop()}
	if r.reader != nil {
		errs = append(errs, r.reader.Close())
	}
	r.collection.Close()
	return errors.Join(errs...)
}

func (r *Recorder) detach() error {
	err := r.attached.Close()
	r.attached = nil
	return err
}

// ClockBase is when the recording began, in nanoseconds of CLOCK_MONOTONIC.
func (r *Recorder) ClockBase() int64 { return r.decoder.began }

// Began is the same moment by the wall clock.
func (r *Recorder) Began() time.Time { return time.Unix(0, r.decoder.began+r.decoder.wallOffset) }

// Stats may be called at any time.
func (r *Recorder) Stats() Stats {
	return Stats{
		Delivered: r.delivered.Load(),
		Lost:      r.lost.Load(),
		Hits:      r.hits.Load(),
		Cost:      time.Duration(r.cost.Load()),
	}
}

// monotonicNow is the clock of bpf_ktime_get_ns.
func monotonicNow() int64 {
	var t unix.Timespec
	// The call fails only for a clock that does not exist.
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &t)
	return t.Nano()
}
