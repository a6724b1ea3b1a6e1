package probes

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cilium/ebpf/link"

	"github.com/netpolltrace/netpolltrace/wait"
)

// traced is a process that is recorded.
type traced struct {
	number   uint32
	target   *Target
	binary   *executable
	identity *wait.Process
	meta     wait.Target
	began    int64 // CLOCK_MONOTONIC when it joined
	late     bool  // it joined when Run had begun
	owned    bool  // the Process was opened here
	decoder  *decoder

	hits atomic.Uint64
	cost atomic.Int64 // nanoseconds

	// probing guards what is attached to the process.
	probing     sync.Mutex
	mode        *mode
	modeChanges uint8 // so far
	uprobes     []attachedUprobe
	over        bool // nothing is attached any longer
	handoffs    handoffWatch

	// taking is held while waits are taken over that were under way. Whether
	// what the kernel sends is real is known only afterwards: until then it is
	// held back. It guards what follows.
	taking   sync.Mutex
	adoption adoption
	held     [][]byte // records
	heldSize int      // bytes in held
	welcome  bool     // it was told that the process joined
	rejected bool     // it cannot be recorded

	reported counts // what Run told in events so far
}

// attachedUprobe is a program at a place of the process.
type attachedUprobe struct {
	program string
	offset  uint64
	link    link.Link
}

// currentMode is the mode, and how often it changed so far.
func (t *traced) currentMode() (*mode, uint8) {
	t.probing.Lock()
	defer t.probing.Unlock()
	return t.mode, t.modeChanges
}

func (t *traced) stats() wait.ProcessStats {
	mode, _ := t.currentMode()
	s := wait.ProcessStats{
		Process: t.identity, Mode: mode.name, Hits: t.hits.Load(), Cost: time.Duration(t.cost.Load()), CPU: wait.Unmeasured,
	}
	if cpu, err := t.target.Process.CPUTime(); err == nil {
		s.CPU = cpu
	}
	return s
}

// attach puts in the probes of a mode that are not there yet, and returns
// those that the mode does not need. The caller holds probing.
func (t *traced) attach(machine *machine, places []ModePlace) (unneeded []attachedUprobe, err error) {
	if t.over {
		return nil, errors.New("it is not recorded any longer")
	}
	exe, err := link.OpenExecutable(t.target.Process.ExePath())
	if err != nil {
		return nil, fmt.Errorf("opening the target's executable: %w", err)
	}
	before := t.uprobes
	var wanted, added []attachedUprobe
	for _, p := range places {
		u, err := t.attachOne(machine, exe, p, before)
		if err != nil {
			return nil, errors.Join(err, closeUprobes(added))
		}
		wanted = append(wanted, u)
		if !u.in(before) {
			added = append(added, u)
		}
	}
	for _, u := range before {
		if !u.in(wanted) {
			unneeded = append(unneeded, u)
		}
	}
	t.uprobes = wanted
	t.handoffs.attached(added)
	return unneeded, nil
}

// attachOne puts in one probe, unless it is there.
func (t *traced) attachOne(machine *machine, exe *link.Executable, p ModePlace, there []attachedUprobe) (attachedUprobe, error) {
	offset, err := t.binary.FileOffset(p.Place.Addr)
	if err != nil {
		return attachedUprobe{}, fmt.Errorf("attaching a uprobe to %s: %w", p.Place.Func, err)
	}
	u := attachedUprobe{program: p.Program, offset: offset}
	if i := slices.IndexFunc(there, u.same); i >= 0 {
		return there[i], nil
	}
	if err := t.putIn(machine, exe, &u); err != nil {
		return u, fmt.Errorf("attaching a uprobe to %s+%#x: %w", p.Place.Func, p.Place.Offset, err)
	}
	return u, nil
}

// putIn attaches a uprobe that is not there.
func (t *traced) putIn(machine *machine, exe *link.Executable, u *attachedUprobe) error {
	var err error
	u.link, err = machine.plan.attachUprobe(exe, machine.collection.Programs[u.program],
		uprobeAt{offset: u.offset, pid: t.target.Process.PID, cookie: uint64(t.number)})
	return err
}

func (u attachedUprobe) same(other attachedUprobe) bool {
	return u.program == other.program && u.offset == other.offset
}

func (u attachedUprobe) in(list []attachedUprobe) bool { return slices.ContainsFunc(list, u.same) }

// detach takes all probes out of the process.
func (t *traced) detach() error {
	t.probing.Lock()
	defer t.probing.Unlock()
	err := closeUprobes(t.uprobes)
	t.uprobes, t.over = nil, true
	return err
}

func closeUprobes(uprobes []attachedUprobe) error {
	var all links
	for _, u := range uprobes {
		all = append(all, u.link)
	}
	return all.Close()
}

// event is an event of the process, now.
func (t *traced) event(kind wait.EventKind, count uint64, duration time.Duration, note string, detail wait.Detail) *wait.Event {
	return &wait.Event{
		Kind: kind, Start: time.Now().UnixNano(), Duration: duration,
		Count: count, Process: t.identity, Note: note, Detail: detail,
	}
}

// change is the event that something became of the process.
func (t *traced) change(state wait.TargetState, note string) *wait.Event {
	change := &wait.TargetChange{State: state}
	if state == wait.TargetJoined {
		change.Target = &t.meta
	}
	return t.event(wait.EventTarget, 1, wait.Unmeasured, note, change)
}
