package session

import (
	"context"
	"errors"

	"github.com/netpolltrace/netpolltrace/wait"
)

// hosts watch what the host does to each process that is recorded, from when
// the process joins until it leaves. They stand between the source and the
// sink, where they learn of both; their methods are for one goroutine at a
// time.
type hosts struct {
	ctx     context.Context
	stop    context.CancelFunc // ends the recording
	watch   Watch              // nil: nothing is watched
	sink    wait.Sink
	running map[*wait.Process]hostWatch
}

// hostWatch is the watch of one process.
type hostWatch struct {
	stop  context.CancelFunc
	ended <-chan error
}

func newHosts(ctx context.Context, stop context.CancelFunc, watch Watch, sink wait.Sink) *hosts {
	return &hosts{ctx: ctx, stop: stop, watch: watch, sink: sink, running: make(map[*wait.Process]hostWatch)}
}

// begin watches the processes that are recorded from the start.
func (h *hosts) begin(source wait.Source) {
	gomaxprocs := make(map[int]int)
	for _, t := range source.Meta().Targets {
		gomaxprocs[t.PID] = t.GOMAXPROCS
	}
	for _, p := range source.Stats().Processes {
		h.join(p.Process, gomaxprocs[int(p.Process.PID)])
	}
}

// Wait implements [wait.Sink].
func (h *hosts) Wait(w *wait.Wait) error { return h.sink.Wait(w) }

// Event implements [wait.Sink]. What there is to say of a process stands between
// the events of its joining and of its leaving.
func (h *hosts) Event(e *wait.Event) error {
	change, ok := e.Detail.(*wait.TargetChange)
	switch {
	case !ok:
		return h.sink.Event(e)
	case change.State != wait.TargetJoined:
		return errors.Join(h.leave(e.Process), h.sink.Event(e))
	}
	if err := h.sink.Event(e); err != nil {
		return err
	}
	gomaxprocs := 0
	if change.Target != nil {
		gomaxprocs = change.Target.GOMAXPROCS
	}
	h.join(e.Process, gomaxprocs)
	return nil
}

func (h *hosts) join(p *wait.Process, gomaxprocs int) {
	if _, running := h.running[p]; running || h.watch == nil {
		return
	}
	ctx, stop := context.WithCancel(h.ctx)
	ended := make(chan error, 1)
	h.running[p] = hostWatch{stop: stop, ended: ended}
	go func() {
		err := h.watch(ctx, p, gomaxprocs, h.sink)
		if err != nil {
			h.stop()
		}
		ended <- err
	}()
}

// leave ends the watch of a process, if there is one.
func (h *hosts) leave(p *wait.Process) error {
	watch, running := h.running[p]
	if !running {
		return nil
	}
	delete(h.running, p)
	watch.stop()
	return <-watch.ended
}

// end ends all watches.
func (h *hosts) end() error {
	var errs []error
	for p := range h.running {
		errs = append(errs, h.leave(p))
	}
	return errors.Join(errs...)
}
