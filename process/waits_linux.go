package process

import (
	"time"

	"github.com/netpolltrace/netpolltrace/wait"
)

// Endpoints tells what the descriptors of a process are for somebody who waits
// for them.
type Endpoints map[int32]Socket

// Endpoints reads what all descriptors of the process are.
func (p *Process) Endpoints() (Endpoints, error) {
	fds, err := p.FDs()
	if err != nil {
		return nil, err
	}
	table, err := p.sockets(fds)
	if err != nil {
		return nil, err
	}
	endpoints := make(Endpoints, len(fds))
	for number, fd := range fds {
		endpoints[int32(number)] = table.Of(fd)
	}
	return endpoints, nil
}

// Waits are the waits of a snapshot's goroutines: all of them are open and
// began before now. How long they last already is not known, so that their
// total is 0 and no part is measured. The runtime's own goroutines are left
// out.
func (s *Snapshot) Waits(symbols *Symbolizer, endpoints Endpoints, process *wait.Process, now time.Time) []wait.Wait {
	var waits []wait.Wait
	for i := range s.Goroutines {
		g := &s.Goroutines[i]
		if g.System || !g.Status.Parked() {
			continue
		}
		w := wait.Wait{
			Kind: wait.KindOpen, Start: now.UnixNano(), StartedBefore: true, Count: 1,
			Network: wait.Unmeasured, Netpoll: wait.Unmeasured, Blocked: wait.Unmeasured,
			Sched: wait.Unmeasured, Idle: wait.Unmeasured,
			Process: process, Goid: g.Goid, Reason: g.Reason, FD: g.FD, P: -1, TID: -1,
			StartFunc: symbols.LinkFunc(g.StartPC), Stack: symbols.StackOf(g.PCs),
		}
		if g.FD >= 0 {
			describeIO(&w, endpoints[g.FD], g.Write)
		}
		waits = append(waits, w)
	}
	return waits
}

// describeIO says what a wait for a descriptor is about. Nobody owes an answer
// to who accepts, and to who reads from an accepted connection: such a wait is
// idle whole.
func describeIO(w *wait.Wait, s Socket, write bool) {
	w.Proto, w.Role, w.Local, w.Peer = s.Proto, s.Role, s.Local, s.Peer
	switch {
	case write && s.Connecting:
		w.Op = wait.OpConnect
	case write:
		w.Op = wait.OpWrite
	case s.Role == wait.RoleListening:
		w.Op, w.Idle = wait.OpAccept, w.Total
	default:
		w.Op = wait.OpRead
		if s.Role == wait.RoleAccepted {
			w.Idle = w.Total
		}
	}
}
