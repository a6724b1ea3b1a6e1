package explain

import "github.com/netpolltrace/netpolltrace/wait"

// wakers tells of which processes it is seen who ends their waits.
type wakers struct {
	unseen bool           // of no process
	seen   map[int32]bool // by PID; what is not in it is seen
}

// seesWakers tells whether a mode sees which goroutine ends a wait.
func seesWakers(mode wait.Mode) bool { return mode != wait.ModeIO && mode != wait.ModeSample }

// begin starts with the targets of a recording.
func (k *wakers) begin(meta *wait.Meta) {
	*k = wakers{unseen: len(meta.Targets) > 0, seen: make(map[int32]bool)}
	for i := range meta.Targets {
		k.enter(int32(meta.Targets[i].PID), meta.Targets[i].Mode)
	}
}

func (k *wakers) enter(pid int32, mode wait.Mode) {
	k.seen[pid] = seesWakers(mode)
	k.unseen = k.unseen && !k.seen[pid]
}

// event follows changes of modes, and processes that join.
func (k *wakers) event(e *wait.Event) {
	if k.seen == nil {
		return // nothing is known of the recording
	}
	switch d := e.Detail.(type) {
	case *wait.ModeChange:
		if e.Process != nil {
			k.enter(e.Process.PID, d.Mode)
			return
		}
		for pid := range k.seen {
			k.enter(pid, d.Mode)
		}
	case *wait.TargetChange:
		if d.Target != nil {
			k.enter(int32(d.Target.PID), d.Target.Mode)
		}
	}
}

// anywhere is false if no wait says which goroutine ended it, so that no history
// will be asked for.
func (k *wakers) anywhere() bool { return !k.unseen }

// of tells whether it is seen now who ends the waits of a process.
func (k *wakers) of(p *wait.Process) bool {
	if p == nil || k.seen == nil {
		return !k.unseen
	}
	seen, known := k.seen[p.PID]
	return seen || !known
}
