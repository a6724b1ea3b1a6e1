package probes

import (
	"errors"
	"fmt"
	"slices"

	"github.com/netpolltrace/netpolltrace/bpf"
	"github.com/netpolltrace/netpolltrace/gobinary"
	"github.com/netpolltrace/netpolltrace/process"
	"github.com/netpolltrace/netpolltrace/wait"
)

// TargetOptions are how to record one process.
type TargetOptions struct {
	Mode wait.Mode // empty: that of the Options
	// Fresh tells that the process has not run its first instruction yet: there
	// is nothing to look over and nothing waits.
	Fresh bool
	// Args are stored in the recording; nil unless the user asked for it.
	Args []string
}

// Add records a process too: from its return on, waits are recorded, and those
// that are under way were taken over. The process must stay open until it was
// removed or the recorder is closed. The error says in one line why it cannot
// be recorded.
func (r *Recorder) Add(p *process.Process, options TargetOptions) (*wait.Target, error) {
	t, err := r.add(p, options, false)
	if err != nil {
		return nil, err
	}
	return &t.meta, nil
}

// add is Add. The process is closed when it leaves if it is owned; if it is an
// error it is not.
func (r *Recorder) add(p *process.Process, options TargetOptions, owned bool) (*traced, error) {
	r.changing.Lock()
	defer r.changing.Unlock()
	if r.find(p.PID) != nil {
		return nil, fmt.Errorf("process %d (%s) is recorded already", p.PID, p.Name)
	}
	if options.Mode == "" {
		options.Mode = r.plan.Mode
	}
	mode, err := modeOf(options.Mode)
	if err != nil {
		return nil, err
	}
	t, err := r.lookOver(p, options)
	if err != nil {
		return nil, err
	}
	t.owned, t.mode, t.meta.Mode = owned, mode, mode.name
	if err := r.begin(t, options.Fresh); err != nil {
		return nil, err
	}
	return t, nil
}

// lookOver learns what a process is like, and checks that what the executable
// promises holds in it: wrong numbers would be worse than none, and a wrong
// probe would do harm.
func (r *Recorder) lookOver(p *process.Process, options TargetOptions) (*traced, error) {
	binary, err := r.executables.open(p)
	if err != nil {
		return nil, fmt.Errorf("process %d (%s): %w", p.PID, p.Name, err)
	}
	t := &traced{binary: binary, identity: &wait.Process{Host: r.options.Host, Name: p.Name, PID: int32(p.PID)}}
	modules := binary.Modules()
	t.meta = wait.Target{
		Exe: p.Exe, PID: p.PID, Go: binary.GoVersion, BuildID: binary.BuildID, Args: options.Args, Modules: &modules,
	}
	t.adoption.epfd = -1
	if t.target, err = NewTarget(binary.Binary, p); err != nil {
		err = fmt.Errorf("process %d (%s): %w", p.PID, p.Name, err)
	} else {
		err = t.prove(options.Fresh)
	}
	if err != nil {
		return nil, errors.Join(err, r.executables.release(binary))
	}
	return t, nil
}

// prove looks at the goroutines, if there can be some.
func (t *traced) prove(fresh bool) error {
	if fresh {
		return unproven(t.target.Layout, t.binary.GoVersion, nil)
	}
	snapshot, err := t.target.Process.Goroutines(t.binary.Binary)
	if err != nil {
		return err
	}
	if err := unproven(t.target.Layout, t.binary.GoVersion, snapshot.Goroutines); err != nil {
		return err
	}
	t.meta.GOMAXPROCS = snapshot.GOMAXPROCS
	if snapshot.EpFD >= 0 {
		t.target.Decoding = snapshot.Decoding
		t.adoption.epfd = snapshot.EpFD
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

// begin records a process from now on. If that is an error nothing is left of it.
func (r *Recorder) begin(t *traced, fresh bool) error {
	t.taking.Lock()
	defer t.taking.Unlock()
	err := r.enlist(t)
	if err != nil {
		return errors.Join(err, r.executables.release(t.binary))
	}
	if err = r.probe(t); err == nil && !fresh {
		err = r.adopt(t, t.began)
	}
	if err != nil {
		t.rejected, t.owned = true, false
		return errors.Join(err, r.drop(t))
	}
	r.introduce(t)
	return nil
}

// enlist makes the process one of the recorder's.
func (r *Recorder) enlist(t *traced) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return errors.New("the recording has ended")
	}
	var err error
	if t.number, err = r.numbers.take(); err != nil {
		return err
	}
	t.decoder = r.newDecoder(t)
	r.processes = append(r.processes, t)
	r.table[indexOf(t.number)].Store(t)
	return nil
}

func (r *Recorder) newDecoder(t *traced) *decoder {
	symbolizer := process.NewSymbolizer(t.binary.Binary, t.target.Bias)
	symbolizer.UsePlugins(t.target.Process)
	return &decoder{
		process:     t.identity,
		wallOffset:  r.wallOffset,
		reasons:     t.target.Reasons,
		descriptors: newDescriptors(),
		symbols:     newSymbols(symbolizer, t.target.Bias, r.machine.collection.Maps[bpf.WaitsMapStacks], t.target.Places),
		processors: &processors{
			memory: t.target.Process, idAt: t.target.Layout.P.ID, numbers: make(map[uint64]int32),
		},
	}
}

// probe puts the probes in.
func (r *Recorder) probe(t *traced) error {
	places, unmeasured, err := t.mode.placesIn(t.target.Places, r.leftOut())
	if err != nil {
		return err
	}
	t.meta.Unmeasured = unmeasured
	epfd, byEpoll := t.target.epfd(), r.plan.byEpoll()
	if epfd == 0 && t.adoption.epfd < 0 && byEpoll {
		byEpoll = false
		unmeasured[wait.PartNetwork] = "the program's epoll descriptor was not found: readiness is known only of sockets, and only at the park"
	}
	t.decoder.byEpoll = byEpoll
	config := t.target.config(t.number, t.mode, epfd, byEpoll)
	if err := r.machine.begin(t.number, &config); err != nil {
		return err
	}
	if err := r.machine.look(visit{pid: t.target.Process.PID, number: t.number, begins: true, epfd: t.adoption.epfd}); err != nil {
		return err
	}
	t.probing.Lock()
	defer t.probing.Unlock()
	if _, err := t.attach(r.machine, places); err != nil {
		return err
	}
	t.began = monotonicNow()
	return nil
}

// introduce makes a process known that is recorded from now on: in the
// recording's description, or by an event if that was given away.
func (r *Recorder) introduce(t *traced) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.described {
		t.late = true
		return
	}
	if len(r.meta.Targets) == 0 {
		r.meta.ClockBase, r.meta.Started = t.began, timeAt(t.began, r.wallOffset)
	}
	r.meta.Targets = append(r.meta.Targets, t.meta)
}

// Remove ends the recording of a process. Its waits that are open are
// delivered as such.
func (r *Recorder) Remove(pid int) error {
	r.changing.Lock()
	defer r.changing.Unlock()
	t := r.find(pid)
	if t == nil {
		return fmt.Errorf("process %d is not recorded", pid)
	}
	r.mu.Lock()
	described := r.described
	if !described {
		r.meta.Targets = slices.DeleteFunc(r.meta.Targets, func(other wait.Target) bool { return other.PID == pid })
	}
	r.mu.Unlock()
	if !described {
		return r.drop(t)
	}
	err := t.detach()
	r.whileRunning(func(sink wait.Sink) error { return r.leave(t, wait.TargetLeft, "it is no longer recorded", sink) })
	return err
}

// drop forgets a process, and frees what it had. One that was dropped before it
// leaves alone.
func (r *Recorder) drop(t *traced) error {
	err := t.detach()
	r.mu.Lock()
	there := slices.Contains(r.processes, t)
	r.processes = slices.DeleteFunc(r.processes, func(other *traced) bool { return other == t })
	r.mu.Unlock()
	if !there {
		return err
	}
	errs := []error{err, r.machine.retire(t.number), r.executables.release(t.binary)}
	if t.owned {
		errs = append(errs, t.target.Process.Close())
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.table[indexOf(t.number)].Store(nil)
	r.numbers.giveBack(t.number)
	return errors.Join(errs...)
}

// SetMode implements [wait.Source].
func (r *Recorder) SetMode(p *wait.Process, name wait.Mode) error {
	mode, err := modeOf(name)
	if err != nil {
		return err
	}
	r.changing.Lock()
	defer r.changing.Unlock()
	changed := r.all()
	if p != nil {
		changed = slices.DeleteFunc(changed, func(t *traced) bool { return *t.identity != *p })
		if len(changed) == 0 {
			return fmt.Errorf("process %d (%s) is not recorded", p.PID, p.Name)
		}
	}
	var errs []error
	for _, t := range changed {
		if err := r.setMode(t, mode); err != nil {
			errs = append(errs, fmt.Errorf("process %d (%s): %w", t.identity.PID, t.identity.Name, err))
		}
	}
	return errors.Join(errs...)
}

// setMode changes the mode of a process. Waits that are under way and that only
// the new mode sees are taken over, but for those of goroutines that were seen
// before: these are seen from their next park on.
func (r *Recorder) setMode(t *traced, mode *mode) error {
	places, unmeasured, err := mode.placesIn(t.target.Places, r.leftOut())
	if err != nil {
		return err
	}
	before, err := r.exchangeProbes(t, mode, places)
	if err != nil || before == mode {
		return err
	}
	r.describeMode(t, mode, unmeasured)
	r.whileRunning(func(sink wait.Sink) error {
		return sink.Event(t.event(wait.EventMode, 1, wait.Unmeasured, "", &wait.ModeChange{Mode: mode.name}))
	})
	if !mode.everyPark || before.everyPark {
		return nil
	}
	t.taking.Lock()
	defer t.taking.Unlock()
	return r.adopt(t, monotonicNow())
}

// exchangeProbes puts in the probes of a mode and takes out those of the mode
// before, which it returns. Both are there for a moment; the kernel side sees
// each wait once nevertheless.
func (r *Recorder) exchangeProbes(t *traced, mode *mode, places []ModePlace) (before *mode, err error) {
	t.probing.Lock()
	defer t.probing.Unlock()
	if before = t.mode; before == mode {
		return before, nil
	}
	unneeded, err := t.attach(r.machine, places)
	if err != nil {
		return before, err
	}
	ended := t.modeChanges
	t.mode = mode
	t.modeChanges++
	err = errors.Join(r.changeMode(t), closeUprobes(unneeded))
	if before.everyPark && !mode.everyPark {
		now := monotonicNow()
		r.whileRunning(func(sink wait.Sink) error { return r.deliverUnseen(t, ended, now, sink) })
	}
	return before, err
}

// describeMode has the recording's description say in which mode the process
// is, if it was not given away yet.
func (r *Recorder) describeMode(t *traced, mode *mode, unmeasured map[wait.Part]string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.meta.Targets {
		if target := &r.meta.Targets[i]; !r.described && target.PID == t.target.Process.PID {
			target.Mode, target.Unmeasured = mode.name, unmeasured
		}
	}
}

// changeMode tells the kernel side the mode. A process that runs another program
// meanwhile stays out of it.
func (r *Recorder) changeMode(t *traced) error {
	c, err := r.machine.config(t.number)
	if err != nil {
		return err
	}
	c.Mode, c.ModeChanges = uint8(t.mode.number), t.modeChanges
	if err := r.machine.setConfig(t.number, &c); err != nil {
		return err
	}
	if c.Tgid == 0 || r.machine.isTarget(c.Tgid, t.number) {
		return nil
	}
	c.Tgid = 0
	return r.machine.setConfig(t.number, &c)
}
