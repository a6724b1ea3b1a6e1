package probes

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"
	"unsafe"

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
	attached   links
	decoder    *decoder
	price      Price
	calibrated chan calibration // delivers the price once
	timing     timing
	exec       bool
	phantoms   map[uint64]uint64 // goid by g: see Adopt

	delivered atomic.Uint64
	lost      atomic.Uint64
	hits      atomic.Uint64
	cost      atomic.Int64
	reported  counts // what was told in events so far
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
	r.plan.trim(spec)
	if r.config, err = r.target.config(r.plan, options.Stacks); err != nil {
		return err
	}
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
	return &decoder{
		process:     options.Identity,
		wallOffset:  time.Now().UnixNano() - monotonic,
		began:       monotonic,
		reasons:     r.target.Reasons,
		descriptors: newDescriptors(),
		symbols: newSymbols(symbolizer, r.target.Bias, r.collection.Maps[bpf.WaitsMapStacks],
			r.target.Places.NetpollCalls),
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
	var tgid uint32
	if err := r.collection.Variables[bpf.WaitsVarTargetTgid].Get(&tgid); err != nil {
		return fmt.Errorf("looking for the target in the kernel: %w", err)
	}
	if tgid == 0 {
		return fmt.Errorf("process %d has no open file that the kernel shows: is it still running?", r.target.Process.PID)
	}
	return nil
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
	for _, u := range uprobesOf[r.plan.Mode] {
		place := u.place(r.target.Places)
		if !place.Found() && u.optional != "" {
			r.plan.Unmeasured[u.optional] = "its place in the executable was not found"
			continue
		}
		offset, err := r.target.Binary.FileOffset(place.Addr)
		if err != nil {
			return fmt.Errorf("attaching a uprobe to %s: %w", place.Func, err)
		}
		attached, err := r.plan.uprobe(exe, r.collection.Programs[u.program], offset, r.target.Process.PID)
		if err != nil {
			return fmt.Errorf("attaching a uprobe to %s+%#x: %w", place.Func, place.Offset, err)
		}
		r.attached = append(r.attached, attached)
	}
	return nil
}

// Close detaches whatever is attached and frees everything.
func (r *Recorder) Close() error {
	errs := []error{r.detach(), r.timing.stop()}
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

// The ring buffer is looked at this often; at 300,000 waits a second a quarter
// of the default one fills meanwhile. The kernel wakes us only at half full.
const drainInterval = 25 * time.Millisecond

// accountInterval is how often losses and the price are told.
const accountInterval = time.Second

// Run delivers waits until the context ends, the target exits or it runs
// another program; then it detaches, delivers what is left, and reports the
// waits that are still open. It returns [process.ErrExec] or [process.ErrExited] where
// the target ended it.
func (r *Recorder) Run(ctx context.Context, sink wait.Sink) error {
	ended, err := r.deliverUntilEnd(ctx, sink)
	if err != nil {
		return err
	}
	now := monotonicNow()
	if err := r.detach(); err != nil {
		return err
	}
	if err := r.drain(sink); err != nil {
		return err
	}
	if ended == nil {
		if err := r.deliverOpen(sink, now); err != nil {
			return err
		}
	}
	if err := r.account(sink); err != nil {
		return err
	}
	return ended
}

// deliverUntilEnd returns why the recording ended, if not by the context, and
// errors of the sink.
func (r *Recorder) deliverUntilEnd(ctx context.Context, sink wait.Sink) (ended, err error) {
	drains := time.NewTicker(drainInterval)
	defer drains.Stop()
	accounts := time.NewTicker(accountInterval)
	defer accounts.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil, nil
		case <-r.target.Process.Exited():
			return process.ErrExited, nil
		case <-drains.C:
			if err := r.drain(sink); err != nil {
				return nil, err
			}
			r.timing.sample(&r.price)
			if r.exec {
				return process.ErrExec, nil
			}
		case <-accounts.C:
			if err := r.account(sink); err != nil {
				return nil, err
			}
		}
	}
}

// drain delivers what is in the ring buffer.
func (r *Recorder) drain(sink wait.Sink) error {
	var record ringbuf.Record
	var w wait.Wait
	r.reader.SetDeadline(time.Unix(1, 0))
	for {
		err := r.reader.ReadInto(&record)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading the ring buffer: %w", err)
		}
		if err := r.deliver(record.RawSample, &w, sink); err != nil {
			return err
		}
	}
}

// deliver handles one record. Its type is the first word of each.
func (r *Recorder) deliver(raw []byte, w *wait.Wait, sink wait.Sink) error {
	switch recordType(raw) {
	case bpf.WaitsRecordTypeRECORD_WAIT:
		if record := recordAs[bpf.WaitsWaitRecord](raw); record != nil {
			if r.phantom(record.G, record.Goid, record.Flags) {
				return nil
			}
			r.decoder.wait(record, w)
			r.delivered.Add(1)
			return sink.Wait(w)
		}
	case bpf.WaitsRecordTypeRECORD_SOCKET:
		if record := recordAs[bpf.WaitsSocketRecord](raw); record != nil {
			r.decoder.descriptors.add(record)
		}
	case bpf.WaitsRecordTypeRECORD_EXEC:
		r.exec = true
	}
	return nil
}

func recordType(raw []byte) bpf.WaitsRecordType {
	if kind := recordAs[bpf.WaitsRecordType](raw); kind != nil {
		return *kind
	}
	return 0
}

// recordAs views a record as what the kernel side wrote. The ring buffer's
// samples are aligned to eight bytes, and so is the copy that is read.
func recordAs[T any](raw []byte) *T {
	if len(raw) < int(unsafe.Sizeof(*new(T))) {
		return nil
	}
	return (*T)(unsafe.Pointer(unsafe.SliceData(raw)))
}

// deliverOpen reports the waits that are not over.
func (r *Recorder) deliverOpen(sink wait.Sink, now int64) error {
	var g uint64
	var slot bpf.WaitsSlot
	var w wait.Wait
	slots := r.collection.Maps[bpf.WaitsMapSlots].Iterate()
	for slots.Next(&g, &slot) {
		if slot.Open == 0 || r.phantom(g, slot.Goid, slot.Flags) {
			continue
		}
		r.decoder.open(&slot, r.owedSince(&slot), now, &w)
		if err := sink.Wait(&w); err != nil {
			return err
		}
	}
	if err := slots.Err(); err != nil {
		return fmt.Errorf("reading the waits that are open: %w", err)
	}
	return nil
}

// owedSince is when the answer that an open wait is for was asked for: 0 if
// none is owed.
func (r *Recorder) owedSince(slot *bpf.WaitsSlot) int64 {
	if has(slot.Flags, bpf.WaitsWaitFlagWAIT_OWED_AT_PARK) {
		return int64(slot.ParkNs)
	}
	var pd bpf.WaitsPdSlot
	if slot.Pd == 0 || r.collection.Maps[bpf.WaitsMapPds].Lookup(slot.Pd, &pd) != nil {
		return 0
	}
	if pd.OwedNs > slot.ParkNs {
		return int64(pd.OwedNs)
	}
	return 0
}

// account tells what was lost and what the probes cost since the last time.
func (r *Recorder) account(sink wait.Sink) error {
	c, err := readCounts(r.collection.Maps[bpf.WaitsMapCounters])
	if err != nil {
		return err
	}
	for _, s := range shortfalls {
		delta := c[s.counter] - r.reported[s.counter]
		if delta == 0 {
			continue
		}
		if s.kind == wait.EventLost {
			r.lost.Add(delta)
		}
		if err := sink.Event(r.event(s.kind, delta, wait.Unmeasured, s.note)); err != nil {
			return err
		}
	}
	if err := r.completePrice(); err != nil {
		return err
	}
	hits := c.sum(uprobeHits) - r.reported.sum(uprobeHits)
	cost := r.price.of(&c) - r.price.of(&r.reported)
	r.reported = c
	r.hits.Add(hits)
	r.cost.Add(int64(cost))
	return sink.Event(r.event(wait.EventOverhead, hits, cost, r.price.String()))
}

// completePrice waits for the calibration.
func (r *Recorder) completePrice() error {
	if r.price.Trap == 0 {
		c := <-r.calibrated
		if c.err != nil {
			return c.err
		}
		r.price.Trap = c.trap
	}
	return nil
}

func (r *Recorder) uprobePrograms() []*ebpf.Program {
	var programs []*ebpf.Program
	for _, u := range uprobesOf[r.plan.Mode] {
		programs = append(programs, r.collection.Programs[u.program])
	}
	return programs
}

func (r *Recorder) hookPrograms() []*ebpf.Program {
	var programs []*ebpf.Program
	for _, h := range r.plan.hooks {
		for _, p := range h.programs {
			programs = append(programs, r.collection.Programs[p.name])
		}
	}
	return programs
}

func (r *Recorder) event(kind wait.EventKind, count uint64, duration time.Duration, note string) *wait.Event {
	return &wait.Event{
		Kind: kind, Start: monotonicNow() + r.decoder.wallOffset, Duration: duration,
		Count: count, Process: r.decoder.process, Note: note,
	}
}

// Counts of the kernel side, for the tests of its bookkeeping.
type Counts struct{ Parks, Ends, LostRing, LostSlot, LostResume uint64 }

// Counts reads the kernel's counters.
func (r *Recorder) Counts() (Counts, error) {
	c, err := readCounts(r.collection.Maps[bpf.WaitsMapCounters])
	return Counts{
		Parks: c[bpf.WaitsCounterHITS_PARK], Ends: c[bpf.WaitsCounterENDS],
		LostRing: c[bpf.WaitsCounterLOST_RING], LostSlot: c[bpf.WaitsCounterLOST_SLOT],
		LostResume: c[bpf.WaitsCounterLOST_RESUME],
	}, err
}

// monotonicNow is the clock of bpf_ktime_get_ns.
func monotonicNow() int64 {
	var t unix.Timespec
	// The call fails only for a clock that does not exist.
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &t)
	return t.Nano()
}
