package report

import (
	"time"

	"github.com/netpolltrace/netpolltrace/wait"
)

// maxChanges bounds what is kept of changes of modes and targets: of the
// further ones nothing is known.
const maxChanges = 10_000

// Target is a program that was recorded: when, and in which modes. Times are
// since its recording began.
type Target struct {
	wait.Target
	Recording int           // the number of its recording, in the order of [Report.Metas]
	Joined    time.Duration // 0: it was recorded from the start
	Left      time.Duration // [wait.Unmeasured]: it was recorded to the end
	Modes     []ModeSpan    // one after the other; none if they are not known
	// Overhead is the CPU time that the probes cost it, in percent of what it
	// used; negative when it was not measured.
	Overhead float64
}

// ModeSpan is a time in which a target was recorded in one mode.
type ModeSpan struct {
	Mode     wait.Mode
	From, To time.Duration
}

// change is an event that changes a mode or who is recorded.
type change struct {
	recording int
	start     int64
	pid       int32 // 0: all processes
	detail    wait.Detail
}

// changeOf is false for events that change nothing.
func changeOf(recording int, e *wait.Event) (change, bool) {
	c := change{recording: recording, start: e.Start}
	if e.Process != nil {
		c.pid = e.Process.PID
	}
	switch detail := e.Detail.(type) {
	case *wait.ModeChange:
		kept := *detail
		c.detail = &kept
	case *wait.TargetChange:
		kept := *detail
		c.detail = &kept
	default:
		return change{}, false
	}
	return c, true
}

// timeline follows the targets of one recording.
type timeline struct {
	recording int
	began     int64
	targets   []Target
}

// targetsOf lists the targets of a recording: those that it began with, then
// those that joined.
func targetsOf(recording int, meta *wait.Meta, e *events, changes []change) []Target {
	t := timeline{recording: recording, began: e.began(meta)}
	for _, target := range meta.Targets {
		t.join(target, 0)
	}
	for _, c := range changes {
		if c.recording == recording {
			t.apply(c)
		}
	}
	for i := range t.targets {
		target := &t.targets[i]
		target.Overhead = e.costs[int32(target.PID)].percent()
		if target.Left < 0 {
			target.endMode(e.recorded(meta))
		}
	}
	return t.targets
}

func (t *timeline) join(target wait.Target, at time.Duration) {
	joined := Target{Target: target, Recording: t.recording, Joined: at, Left: wait.Unmeasured}
	joined.enter(target.Mode, at)
	t.targets = append(t.targets, joined)
}

func (t *timeline) apply(c change) {
	at := time.Duration(max(0, c.start-t.began))
	switch detail := c.detail.(type) {
	case *wait.ModeChange:
		for _, target := range t.present(c.pid) {
			target.enter(detail.Mode, at)
		}
	case *wait.TargetChange:
		if detail.State != wait.TargetJoined {
			for _, target := range t.present(c.pid) {
				target.endMode(at)
				target.Left = at
			}
		} else if detail.Target != nil {
			t.join(*detail.Target, at)
		}
	}
}

// present lists the targets with that PID that have not left; 0 means all.
func (t *timeline) present(pid int32) []*Target {
	var found []*Target
	for i := range t.targets {
		target := &t.targets[i]
		if target.Left < 0 && (pid == 0 || int32(target.PID) == pid) {
			found = append(found, target)
		}
	}
	return found
}

// enter begins a mode, unless the target is in it already.
func (t *Target) enter(mode wait.Mode, at time.Duration) {
	if n := len(t.Modes); mode == "" || n > 0 && t.Modes[n-1].Mode == mode {
		return
	}
	t.endMode(at)
	t.Modes = append(t.Modes, ModeSpan{Mode: mode, From: at})
}

// endMode ends the current mode, of which nothing is left if it did not last.
func (t *Target) endMode(at time.Duration) {
	n := len(t.Modes)
	if n == 0 {
		return
	}
	if t.Modes[n-1].To = at; t.Modes[n-1].From >= at {
		t.Modes = t.Modes[:n-1]
	}
}
