package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/netpolltrace/netpolltrace/internal/rights"
	"github.com/netpolltrace/netpolltrace/probes"
	"github.com/netpolltrace/netpolltrace/process"
	"github.com/netpolltrace/netpolltrace/wait"
)

// modes are those that are tried: auto is one of the others.
var modes = slices.DeleteFunc(slices.Clone(probes.Modes), func(mode wait.Mode) bool { return mode == wait.ModeAuto })

// trial is what came of trying a mode.
type trial struct {
	mode       wait.Mode
	plan       []string // what was chosen, and why: wait.Meta.Probes
	unmeasured map[wait.Part]string
	err        error // why nothing can be recorded
	seen       *seen // of the exchange; nil where none was recorded
}

// seen is what a recording saw of an exchange.
type seen struct {
	err      error // of the exchange itself
	waits    int
	measured map[string]int // by part: the waits in which it was measured
}

// tryHere records an exchange between two ends of a loopback connection within
// this process: from the kernel's hooks to the waits that come out, all is at
// work as in a real recording.
func tryHere(ctx context.Context, features *probes.Features, mode wait.Mode) trial {
	self, err := process.Open(os.Getpid())
	if err != nil {
		return trial{mode: mode, err: err}
	}
	defer self.Close()
	return try(features, mode, self, func(r *probes.Recorder) (*seen, error) {
		return recordExchange(ctx, r)
	})
}

// tryOn puts the probes of a mode into a process and takes them out again.
func tryOn(features *probes.Features, mode wait.Mode, p *process.Process) trial {
	return try(features, mode, p, func(*probes.Recorder) (*seen, error) { return nil, nil })
}

func try(features *probes.Features, mode wait.Mode, p *process.Process, use func(*probes.Recorder) (*seen, error)) trial {
	t := trial{mode: mode}
	var recorder *probes.Recorder
	if recorder, t.err = probes.Open(probes.Options{Features: features, Mode: mode}); t.err != nil {
		return t
	}
	var target *wait.Target
	target, t.err = recorder.Add(p, probes.TargetOptions{})
	t.plan, t.unmeasured = recorder.Meta().Probes, maps.Clone(recorder.Meta().Unmeasured)
	if t.err == nil {
		maps.Copy(t.unmeasured, target.Unmeasured)
		t.seen, t.err = use(recorder)
	}
	t.err = errors.Join(t.err, recorder.Close())
	return t
}

// recordExchange runs the exchange under the recorder.
func recordExchange(ctx context.Context, r *probes.Recorder) (*seen, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	sink := &exchangeSink{seen: seen{measured: make(map[string]int)}}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return &seen{err: err}, nil
	}
	defer listener.Close()
	sink.address = listener.Addr().String()
	var recording errgroup.Group
	recording.Go(func() error { return r.Run(ctx, sink) })
	err = exchange(listener)
	stop()
	if runErr := recording.Wait(); runErr != nil {
		return nil, runErr
	}
	sink.seen.err = err
	return &sink.seen, nil
}

// The exchange: so many messages there and back again, and how long they may
// take on the busiest machine.
const (
	trips         = 32
	exchangeLimit = 5 * time.Second
)

// exchange plays ping-pong over a loopback connection.
func exchange(listener net.Listener) error {
	var group errgroup.Group
	group.Go(func() error {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		defer conn.Close()
		return echo(conn)
	})
	group.Go(func() error {
		// A dial that cannot be must not leave the other end waiting for it.
		defer listener.Close()
		conn, err := net.DialTimeout("tcp", listener.Addr().String(), exchangeLimit)
		if err != nil {
			return err
		}
		defer conn.Close()
		return ask(conn)
	})
	return group.Wait()
}

// echo sends back what comes until the other end closes.
func echo(conn net.Conn) error {
	if err := conn.SetDeadline(time.Now().Add(exchangeLimit)); err != nil {
		return err
	}
	_, err := io.Copy(conn, conn)
	return err
}

func ask(conn net.Conn) error {
	if err := conn.SetDeadline(time.Now().Add(exchangeLimit)); err != nil {
		return err
	}
	message := make([]byte, 1)
	for range trips {
		if _, err := conn.Write(message); err != nil {
			return err
		}
		if _, err := io.ReadFull(conn, message); err != nil {
			return err
		}
	}
	return nil
}

// parts are what a wait can tell besides how long it was.
var parts = []struct {
	name string
	of   func(*wait.Wait) bool
}{
	{"network", func(w *wait.Wait) bool { return w.Network != wait.Unmeasured }},
	{"netpoll", func(w *wait.Wait) bool { return w.Netpoll != wait.Unmeasured }},
	{"sched", func(w *wait.Wait) bool { return w.Sched != wait.Unmeasured }},
	{"idle", func(w *wait.Wait) bool { return w.Idle != wait.Unmeasured }},
	{"poller", func(w *wait.Wait) bool { return w.Poller != "" }},
	{"stack", func(w *wait.Wait) bool { return w.Stack != nil }},
}

// exchangeSink looks at the waits of the exchange and drops all others.
type exchangeSink struct {
	seen    seen
	address string // of the listener: one end or the other of each wait's socket
}

func (s *exchangeSink) Wait(w *wait.Wait) error {
	if w.Kind != wait.KindWait || w.Local != s.address && w.Peer != s.address {
		return nil
	}
	s.seen.waits++
	for _, part := range parts {
		if part.of(w) {
			s.seen.measured[part.name]++
		}
	}
	return nil
}

func (s *exchangeSink) Event(*wait.Event) error { return nil }

// examineModes tells what can be recorded in each mode on this machine.
func examineModes(m *machine, requirements []probes.Requirement, trials []trial) Section {
	section := Section{Name: "Modes"}
	for i := range trials {
		section.Findings = append(section.Findings, judgeTrial(m, requirements, &trials[i]))
	}
	return section
}

func judgeTrial(m *machine, requirements []probes.Requirement, t *trial) Finding {
	f := Finding{Name: string(t.mode), State: OK}
	switch {
	case t.err != nil && rights.Refused(t.err):
		f.State, f.Detail, f.Fix = Fail, refused(t.err), m.fixTrial(requirements)
		return f
	case t.err != nil:
		f.State, f.Detail = Fail, t.err.Error()
		return f
	case t.seen == nil:
		f.Detail = "the probes were attached and detached"
		return f
	case t.seen.err != nil:
		f.State, f.Detail = Warn, "the probes can be attached; the loopback exchange failed: "+t.seen.err.Error()
		f.Fix = "enable the loopback interface: sudo ip link set lo up"
		return f
	case t.seen.waits == 0:
		f.State, f.Detail = Warn, "the probes can be attached, but saw nothing of a loopback exchange"
		f.Fix = "please report this with the output of netpolltrace doctor --format json"
		return f
	}
	f.Detail = fmt.Sprintf("works: %d waits of a loopback exchange were recorded", t.seen.waits)
	unseen := probes.Unseen(t.mode)
	for _, part := range parts {
		if unseen[wait.Part(part.name)] != "" {
			continue
		}
		f.Parts = append(f.Parts, judgePart(requirements, t, part.name))
	}
	return f
}

// fixTrial says what to do where a mode was refused. What every recording needs
// may require further rights; its own fix says so.
func (m *machine) fixTrial(requirements []probes.Requirement) string {
	for i := range requirements {
		if requirements[i].Part == "" && requirements[i].Chosen() < 0 {
			return m.fixMethods(requirements[i].Methods)
		}
	}
	return m.fixRefusal()
}

func judgePart(requirements []probes.Requirement, t *trial, name string) Finding {
	n, why := t.seen.measured[name], t.unmeasured[wait.Part(name)]
	switch {
	case n == 0 && why != "":
		return Finding{Name: name, State: Warn, Detail: "not measured: " + why}
	case n == 0:
		return Finding{Name: name, State: Warn, Detail: "not measured in any of them"}
	}
	f := Finding{Name: name, State: OK, Detail: fmt.Sprintf("measured in %d of them", n)}
	if by := shownBy(requirements, wait.Part(name)); by != "" {
		f.Detail += ", " + by
	}
	if why != "" {
		f.State, f.Detail = Warn, f.Detail+"; not for all descriptors"
	}
	return f
}

// shownBy names the hook that a part is measured with; empty for those that the
// probes in the program show.
func shownBy(requirements []probes.Requirement, part wait.Part) string {
	if part == wait.PartSched {
		part = wait.PartNetpoll // both begin or end when the runtime learns of an event
	}
	for i := range requirements {
		if chosen := requirements[i].Chosen(); requirements[i].Part == part && chosen >= 0 {
			return "by " + requirements[i].Methods[chosen].Name
		}
	}
	return ""
}
