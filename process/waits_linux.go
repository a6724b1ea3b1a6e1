package process

import (
	"time"

	"github.com/netpolltrace/netpolltrace/wait"
)

// Endpoints tells what the descriptors of a process are for somebody who waits
// for them.
type Endpoints map[int32]wait.Endpoint

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
		endpoints[int32(number)] = table.Of(number, fd)
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
		m := wait.Moments{
			Park: now.UnixNano(), Resume: now.UnixNano(), Open: true, StartedBefore: true,
			Reason: g.Reason, StartFunc: symbols.LinkFunc(g.StartPC),
		}
		if g.FD >= 0 {
			m.Endpoint = endpoints.of(g.FD)
			m.Op = m.Endpoint.Op(g.Write)
		}
		var w wait.Wait
		m.Wait(&w)
		w.Process, w.Goid, w.Stack = process, g.Goid, symbols.StackOf(g.PCs)
		waits = append(waits, w)
	}
	return waits
}

// of is the endpoint of a descriptor; of one that is not listed, since it was
// opened later, only its number is known.
func (e Endpoints) of(fd int32) *wait.Endpoint {
	endpoint := e[fd]
	endpoint.FD = fd
	return &endpoint
}
