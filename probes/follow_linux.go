package probes

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/cilium/ebpf"

	"github.com/netpolltrace/netpolltrace/bpf"
	"github.com/netpolltrace/netpolltrace/gobinary"
	"github.com/netpolltrace/netpolltrace/process"
	"github.com/netpolltrace/netpolltrace/wait"
)

// Follow is what to do with the children of recorded processes, and theirs.
type Follow int

// What can be done with children.
const (
	// FollowNone records none. That a child runs the same executable is told
	// once, by an event without a detail.
	FollowNone Follow = iota
	// FollowChildren records those that are Go programs, from shortly after they
	// began on; those that run when a process is added, too. That one cannot be
	// recorded is told by an event without a detail.
	FollowChildren
	// FollowSilently records none, and tells of none: whoever started the process
	// knows its children.
	FollowSilently
)

// followHooks see processes begin, run another program, and end.
var followHooks = []hookProgram{
	{bpf.WaitsProgFollowFork, attachRawTracepoint("sched_process_fork")},
	{bpf.WaitsProgFollowExec, attachRawTracepoint("sched_process_exec")},
	{bpf.WaitsProgFollowExit, attachRawTracepoint("sched_process_exit")},
}

// following is what was told of children so far.
type following struct {
	twin    bool            // that one runs the program of its parent
	refused map[string]bool // executables of those that cannot be recorded
}

// Follow has the children of a process recorded that is no Go program itself, such
// as a shell: those that it has, and those that it starts. So is the program that it
// runs next. It has no effect without [FollowChildren].
func (r *Recorder) Follow(p *process.Process) (err error) {
	r.changing.Lock()
	defer r.changing.Unlock()
	r.mu.Lock()
	number, err := r.numbers.take()
	r.mu.Unlock()
	if err != nil {
		return err
	}
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.numbers.giveBack(number)
	}()
	// The kernel side follows it from when it was found. For a process that is
	// not recorded it needs no more.
	if err := r.machine.begin(number, &bpf.WaitsWaitConfig{Process: number}); err != nil {
		return err
	}
	return errors.Join(r.machine.look(visit{pid: p.PID, number: number, begins: true, epfd: -1}), r.machine.retire(number))
}

// followRecord handles the record of a child that runs another program now.
func (r *Recorder) followRecord(raw []byte, sink wait.Sink) error {
	record := recordAs[bpf.WaitsExecRecord](raw)
	if record == nil || recordType(raw) != bpf.WaitsRecordTypeRECORD_EXEC {
		return nil
	}
	pid := int(record.Pid)
	if r.find(pid) != nil {
		return nil
	}
	if r.options.Follow == FollowChildren {
		r.join(pid)
		return nil
	}
	ancestor := r.numbered(record.Ancestor)
	if ancestor == nil || r.following.twin || r.options.Follow == FollowSilently {
		return nil
	}
	if id, err := identify(exePath(pid)); err != nil || id != ancestor.binary.id {
		return nil
	}
	r.following.twin = true
	return sink.Event(ancestor.event(wait.EventTarget, 1, wait.Unmeasured, fmt.Sprintf(
		"child process %d runs the same program and is not recorded: give --children to record it too", pid), nil))
}

func exePath(pid int) string { return fmt.Sprintf("/proc/%d/exe", pid) }

// join has a process be recorded too, if it is a Go program.
func (r *Recorder) join(pid int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return
	}
	r.joining.Add(1)
	r.joins.Go(func() {
		defer r.joining.Add(-1)
		if err := r.addYoung(pid); err != nil && !passing(pid, err) {
			r.refuse(pid, err)
		}
	})
}

// A program that has just begun may not have set up its runtime yet: it is looked at
// again so often.
const (
	youngTries = 10
	youngPause = 50 * time.Millisecond
)

// addYoung records a child that has just begun its program.
func (r *Recorder) addYoung(pid int) error {
	for try := 1; ; try++ {
		err := r.addChild(pid)
		if err == nil || try == youngTries || passing(pid, err) || r.hasEnded() {
			return err
		}
		time.Sleep(youngPause)
	}
}

// addChild records a child, if that was not done since it began an earlier program;
// one at a time, since each that waits for its turn would hold descriptors.
func (r *Recorder) addChild(pid int) error {
	r.turn.Lock()
	defer r.turn.Unlock()
	if r.find(pid) != nil {
		return nil
	}
	p, err := process.Open(pid)
	if err != nil {
		return err
	}
	if _, err := r.add(p, TargetOptions{}, true); err != nil {
		return errors.Join(err, p.Close())
	}
	return nil
}

// passing tells whether an error says no more than that a process is no Go
// program, or not the one any longer that it was.
func passing(pid int, err error) bool {
	if errors.Is(err, gobinary.ErrNotGo) || errors.Is(err, process.ErrExec) || errors.Is(err, process.ErrExited) {
		return true
	}
	_, gone := os.Readlink(exePath(pid))
	return errors.Is(gone, fs.ErrNotExist)
}

// refuse tells that a child cannot be recorded, once for each executable.
func (r *Recorder) refuse(pid int, err error) {
	exe, linkErr := os.Readlink(exePath(pid))
	if linkErr != nil {
		return // it is gone
	}
	r.whileRunning(func(sink wait.Sink) error {
		if r.following.refused[exe] {
			return nil
		}
		if r.following.refused == nil {
			r.following.refused = make(map[string]bool)
		}
		r.following.refused[exe] = true
		return sink.Event(&wait.Event{
			Kind: wait.EventTarget, Start: time.Now().UnixNano(), Duration: wait.Unmeasured, Count: 1,
			Process: &wait.Process{Host: r.options.Host, Name: exe, PID: int32(pid)},
			Note:    fmt.Sprintf("child process %d is not recorded: %v", pid, err),
		})
	})
}

// followsAny tells whether a process that is followed may still lead to one
// that is recorded.
func (r *Recorder) followsAny() (bool, error) {
	if r.options.Follow != FollowChildren {
		return false, nil
	}
	if r.joining.Load() > 0 {
		return true, nil
	}
	var tgid uint32
	err := r.machine.collection.Maps[bpf.WaitsMapFollowed].NextKey(nil, &tgid)
	if errors.Is(err, ebpf.ErrKeyNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("looking for children: %w", err)
	}
	return true, nil
}
