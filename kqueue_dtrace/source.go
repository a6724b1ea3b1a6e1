package dtrace

import (
	"context"
	"fmt"
	"io"
	"maps"
	"math"
	"sync"
	"time"

	"github.com/netpolltrace/netpolltrace/gobinary"
	"github.com/netpolltrace/netpolltrace/wait"
)

// Config is what to record.
type Config struct {
	// Binary is the executable that the process runs.
	Binary  *gobinary.Binary
	Process wait.Process
	// Mode is [wait.ModeIO] or [wait.ModeAll]; saved output says it by itself.
	Mode wait.Mode
	// Exe, Args, Host, Kernel and Tool are as in [wait.Meta] and [wait.Target].
	Exe          string
	Args         []string
	Host, Kernel string
	Tool         string
	// Descriptors are those that the process had before it is recorded, as far as
	// the system names them.
	Descriptors []wait.Descriptor
	// Command is dtrace(1), with options that come before ours; nil for the one
	// that the PATH has.
	Command []string
}

// Source is a recording by DTrace: of a live process ([Open]) or of saved output
// ([Replay]).
type Source struct {
	config Config
	meta   *wait.Meta
	stream *stream
	pieces <-chan piece // what is printed, until its end
	runner *runner      // nil for saved output

	mutex sync.Mutex
	stats wait.Stats
}

// piece is some output, or what ended it.
type piece struct {
	output []byte // whole lines or not, of one of the outputs
	said   bool   // on stderr: one line
	err    error  // the last piece: why there is no more; io.EOF at the end
}

// Replay opens the saved output of a script, which was redirected from dtrace's
// standard output. What it said on standard error, which tells of lost records, may
// follow. The executable must be the one that ran.
func Replay(r io.Reader, config Config) (*Source, error) {
	pieces := make(chan piece)
	go func() {
		defer close(pieces)
		read(r, pieces)
	}()
	return begin(config, pieces, nil)
}

// read sends what a reader has, in pieces.
func read(r io.Reader, to chan<- piece) {
	for {
		buffer := make([]byte, 64<<10)
		n, err := r.Read(buffer)
		if n > 0 {
			to <- piece{output: buffer[:n]}
		}
		if err != nil {
			to <- piece{err: err}
			return
		}
	}
}

// begin reads up to the script's first record.
func begin(config Config, pieces <-chan piece, run *runner) (*Source, error) {
	s := &Source{config: config, pieces: pieces, runner: run}
	var err error
	if s.stream, err = newStream(config.Binary, &s.config.Process); err != nil {
		return nil, err
	}
	s.stream.joiner.sockets.know(config.Descriptors)
	for !s.stream.begun {
		p := <-pieces
		if p.err != nil {
			return nil, s.noBegin(p.err)
		}
		if err := s.take(p); err != nil {
			return nil, err
		}
	}
	return s, s.describe()
}

// noBegin is why there is no first record.
func (s *Source) noBegin(err error) error {
	if s.runner != nil {
		return s.runner.failure()
	}
	if err != io.EOF {
		return err
	}
	return fmt.Errorf("the output of a script of netpolltrace dtrace begins with %s B, and this has none; "+
		"save what dtrace -q -s SCRIPT -p PID prints", prefix)
}

// take takes one piece of output.
func (s *Source) take(p piece) error {
	if p.said {
		return s.stream.line(p.output)
	}
	return s.stream.write(p.output)
}

// describe makes the recording's description.
func (s *Source) describe() error {
	b := s.config.Binary
	script, err := NewScript(b, s.stream.mode)
	if err != nil {
		return err
	}
	lacks := map[wait.Part]string{
		wait.PartNetwork: "DTrace sees the return of kevent: a poll that did not sleep tells nothing of since when there was an event",
		wait.PartIdle:    "of sockets that are older than the recording it is not known whether a reply is pending",
		wait.PartPoller:  "the scripts do not tell who polled",
	}
	maps.Copy(lacks, script.Unmeasured)
	modules := b.Modules()
	s.meta = &wait.Meta{
		Targets: []wait.Target{{
			Exe: s.config.Exe, PID: int(s.config.Process.PID), Go: b.GoVersion, BuildID: b.BuildID,
			Args: s.config.Args, Modules: &modules, Mode: s.stream.mode,
		}},
		Host: s.config.Host, Kernel: s.config.Kernel, Arch: b.Arch, Tool: s.config.Tool,
		Probes: script.Probes, Unverified: platforms[b.OS].unverified, Started: s.stream.started(), ClockBase: s.stream.joiner.began, Unmeasured: lacks,
	}
	return nil
}

// Meta implements [wait.Source].
func (s *Source) Meta() *wait.Meta { return s.meta }

// How often losses are told and what has come is looked at, and after how long
// without output nothing older is expected any more.
const (
	lookInterval = 100 * time.Millisecond
	quiet        = holdBack
)

// Run implements [wait.Source]. A dtrace that dies ends the recording in good
// order; an event says so.
func (s *Source) Run(ctx context.Context, sink wait.Sink) error {
	s.stream.sink = sink
	looks := time.NewTicker(lookInterval)
	defer looks.Stop()
	done, asked, last := ctx.Done(), false, time.Now()
	for {
		var err error
		select {
		case p, open := <-s.pieces:
			if !open || p.err == io.EOF {
				return s.end(asked)
			}
			if p.err != nil {
				return p.err
			}
			last = time.Now()
			if err = s.take(p); err == nil {
				err = s.stream.settle(s.stream.merger.settled())
			}
		case <-looks.C:
			if time.Since(last) > quiet {
				err = s.stream.settle(math.MaxInt64)
			}
			if err == nil {
				err = s.account()
			}
		case <-done:
			done, asked = nil, true
			if s.runner == nil {
				return s.end(asked)
			}
			s.runner.stop()
		}
		if err != nil {
			return err
		}
	}
}

// end delivers what is left.
func (s *Source) end(asked bool) error {
	s.stream.finish()
	if err := s.stream.settle(math.MaxInt64); err != nil {
		return err
	}
	exited := false
	if s.runner != nil && !asked {
		var err error
		if exited, err = s.tellEnd(); err != nil {
			return err
		}
	}
	if !exited {
		if err := s.stream.joiner.finish(); err != nil {
			return err
		}
	}
	return s.account()
}

// tellEnd tells why dtrace ended by itself, and whether the process exited.
func (s *Source) tellEnd() (exited bool, err error) {
	state, note := wait.TargetExited, "the process exited"
	if why := s.runner.died(); why != "" {
		state, note = wait.TargetLeft, "dtrace ended before it was told to: "+why
	}
	e := s.stream.event(wait.EventTarget, 1, note)
	e.Detail = &wait.TargetChange{State: state}
	return state == wait.TargetExited, s.stream.sink.Event(e)
}

// account tells what is missing, and renews the figures.
func (s *Source) account() error {
	s.mutex.Lock()
	s.stats = wait.Stats{
		Delivered: s.stream.delivered, Lost: s.stream.losses.lost(),
		Processes: []wait.ProcessStats{{Process: &s.config.Process, Mode: s.stream.mode, CPU: wait.Unmeasured}},
	}
	s.mutex.Unlock()
	return s.stream.account()
}

// Stats implements [wait.Source]. What the probes cost is not known.
func (s *Source) Stats() wait.Stats {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.stats
}

// Foreign is how many lines were no records: they are what dtrace or others said.
// It is to be called after Run.
func (s *Source) Foreign() uint64 { return s.stream.losses.Foreign }

// Ended is the event that closes the recording of saved output, whose end is not
// now. It is to be called after Run.
func (s *Source) Ended() *wait.Event {
	note := "the recording ended in good order"
	if !s.stream.ended {
		note = "the output was cut off: the script's last record is not in it"
	}
	e := s.stream.event(wait.EventEnd, 1, note)
	e.Duration = time.Duration(s.stream.joiner.end - s.stream.joiner.began)
	return e
}

// SetMode implements [wait.Source]: a script has one mode.
func (s *Source) SetMode(_ *wait.Process, mode wait.Mode) error {
	if mode == s.stream.mode {
		return nil
	}
	return fmt.Errorf("a recording by DTrace stays in mode %s", s.stream.mode)
}

// Close implements [wait.Source].
func (s *Source) Close() error {
	if s.runner == nil {
		return nil
	}
	return s.runner.close()
}
