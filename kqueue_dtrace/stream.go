package dtrace

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/netpolltrace/netpolltrace/gobinary"
	"github.com/netpolltrace/netpolltrace/wait"
)

// maxLine bounds a line: no record is longer by far.
const maxLine = 4096

// stream makes waits of a script's output: it cuts it into lines, parses them,
// merges and joins the records.
type stream struct {
	binary  *gobinary.Binary
	process *wait.Process
	sink    wait.Sink // set before the first wait can come

	begun     bool // the first record came
	mode      wait.Mode
	rest      []byte // of a line whose end is still to come
	skipping  bool   // the line is too long
	record    record
	merger    merger
	joiner    *joiner
	losses    losses
	told      losses // those that the sink knows of
	delivered uint64
	ended     bool // the script printed its last record
}

func newStream(b *gobinary.Binary, process *wait.Process) (*stream, error) {
	s := &stream{binary: b, process: process}
	var err error
	s.joiner, err = newJoiner(b, process, &s.losses, s.deliver)
	return s, err
}

func (s *stream) deliver(w *wait.Wait) error {
	s.delivered++
	return s.sink.Wait(w)
}

// write takes the next piece of output, whole lines or not.
func (s *stream) write(b []byte) error {
	for len(b) > 0 {
		end := bytes.IndexByte(b, '\n')
		if end < 0 {
			s.keep(b)
			return nil
		}
		line := b[:end]
		if len(s.rest) > 0 || s.skipping {
			s.keep(line)
			line = s.rest
		}
		b = b[end+1:]
		if s.skipping {
			s.losses.Foreign++
		} else if err := s.line(line); err != nil {
			return err
		}
		s.rest, s.skipping = s.rest[:0], false
	}
	return nil
}

// keep stores the start of a line.
func (s *stream) keep(b []byte) {
	if s.skipping = s.skipping || len(s.rest)+len(b) > maxLine; !s.skipping {
		s.rest = append(s.rest, b...)
	}
}

// line takes one line of output, or of what dtrace says on stderr.
func (s *stream) line(line []byte) error {
	line = bytes.TrimRight(line, "\r")
	if len(line) == 0 {
		return nil // the script begins each record with a line of its own
	}
	ok, err := parse(line, &s.record)
	switch {
	case !ok:
		s.losses.note(line)
	case err != nil:
		s.losses.Damaged++
	case s.record.kind == kindBegin:
		return s.begin()
	case s.record.kind == kindEnd:
		s.ended = true
		s.joiner.end = max(s.joiner.end, s.record.time)
	default:
		s.merger.add(&s.record)
	}
	return nil
}

// begin takes the first record, which must be of a script for this executable. A
// second one is of another recording.
func (s *stream) begin() error {
	r := &s.record
	if s.begun {
		return errors.New("there are two recordings in one; save the output of one run of the script")
	}
	words := r.words // in the order of [fields]
	system, arch, mode, version, id := words[0], words[1], wait.Mode(words[2]), words[3], words[4]
	if system != s.binary.OS || arch != s.binary.Arch || version != word(s.binary.GoVersion) || id != word(s.binary.BuildID) {
		return fmt.Errorf("the output is of a program of %s for %s/%s with build ID %.20s, not of %s: name the executable that ran", version, system, arch, id, s.binary.Path)
	}
	if mode != wait.ModeIO && mode != wait.ModeAll {
		return fmt.Errorf("the output is of the unknown mode %.20q", mode)
	}
	s.begun, s.mode = true, mode
	if s.process.PID == 0 {
		s.process.PID = fdOf(int64(r.number[2]))
	}
	s.joiner.begin(r, mode)
	return nil
}

// started is when the script began.
func (s *stream) started() time.Time { return time.Unix(0, s.joiner.began+s.joiner.wallOffset) }

// now is the latest time that was seen, on the wall clock.
func (s *stream) now() int64 { return s.joiner.end + s.joiner.wallOffset }

// settle joins the records up to a time.
func (s *stream) settle(until int64) error {
	for {
		r := s.merger.next(until)
		if r == nil {
			s.losses.Late = s.merger.late
			return nil
		}
		if err := s.joiner.take(r); err != nil {
			return err
		}
	}
}

// finish takes a last line without an end, which was cut off.
func (s *stream) finish() {
	if len(s.rest) > 0 || s.skipping {
		s.losses.Damaged++
	}
	s.rest, s.skipping = nil, false
}

// account tells the sink of what is missing and was not told yet.
func (s *stream) account() error {
	now := s.losses
	err := now.since(&s.told, func(kind wait.EventKind, note string, n uint64) error {
		return s.sink.Event(s.event(kind, n, note))
	})
	s.told = now
	return err
}

func (s *stream) event(kind wait.EventKind, count uint64, note string) *wait.Event {
	return &wait.Event{Kind: kind, Start: s.now(), Duration: wait.Unmeasured, Count: count, Process: s.process, Note: note}
}
