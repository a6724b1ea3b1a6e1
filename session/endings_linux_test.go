package session_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/netpolltrace/netpolltrace/wait"
)

// known is what the program endings knows of one of its waits.
type known struct {
	goid    uint64
	name    string
	op      string
	outcome string
	proto   string
	role    string
	fd      string
	local   string
	peer    string
	unasked string
}

func readKnown(t *testing.T, file string) []known {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var all []known
	for line := range strings.Lines(string(text)) {
		w := strings.Fields(strings.ReplaceAll(line, " -", " "+absent))
		if len(w) != 10 {
			t.Fatalf("a line of %d words: %q", len(w), line)
		}
		for i := range w {
			w[i] = strings.TrimPrefix(w[i], absent)
		}
		goid, err := strconv.ParseUint(w[1], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, known{
			name: w[0], goid: goid, op: w[2], outcome: w[3], proto: w[4], role: w[5],
			fd: w[6], local: w[7], peer: w[8], unasked: w[9],
		})
	}
	return all
}

// absent stands for an empty word.
const absent = "\x00"

// differs says what is wrong with a wait; empty for nothing.
func (k *known) differs(w *wait.Wait) string {
	for _, field := range []struct{ name, got, want string }{
		{"op", string(w.Op), k.op},
		{"outcome", k.outcomeOf(w), k.outcome},
		{"proto", w.Proto, k.proto},
		{"role", string(w.Role), k.role},
		{"peer", w.Peer, k.peer},
	} {
		if field.got != field.want {
			return fmt.Sprintf("%s is %q, want %q", field.name, field.got, field.want)
		}
	}
	// A socket that is connecting has neither address nor number that the
	// program could have asked for.
	if k.op != "connect" && (w.Local != k.local || strconv.Itoa(int(w.FD)) != k.fd) {
		return fmt.Sprintf("it is of fd %d on %q, want %s on %q", w.FD, w.Local, k.fd, k.local)
	}
	if w.StartedBefore || w.Goid != k.goid {
		return "it is of another time"
	}
	return k.unaskedDiffers(w)
}

// outcomeOf is how a wait ended. A dialer with a time-out sets a deadline, and at
// the same moment its context ends, upon which it sets one in the past: which of
// the two wakes the goroutine is chance (net.(*netFD).connect).
func (k *known) outcomeOf(w *wait.Wait) string {
	if k.op == "connect" && k.outcome == string(wait.OutcomeTimeout) && w.Outcome == wait.OutcomeInterrupted {
		return k.outcome
	}
	return string(w.Outcome)
}

func (k *known) unaskedDiffers(w *wait.Wait) string {
	switch {
	case k.unasked == "none" && w.Idle != 0:
		return fmt.Sprintf("idle %v, want none", w.Idle)
	case k.unasked == "" && w.Idle != wait.Unmeasured:
		return fmt.Sprintf("idle %v, want it not measured", w.Idle)
	case k.unasked == "whole" && w.Idle != w.Total-max(w.Netpoll, 0)-max(w.Sched, 0)-w.Unsplit():
		return fmt.Sprintf("idle %v of %v, of which %v netpoll, %v sched, %v unsplit; want all but these", w.Idle, w.Total, w.Netpoll, w.Sched, w.Unsplit())
	}
	return ""
}

// attempts is how often a program is recorded before a wait that is wrong is a fault
// although the kernel skipped runs of probes.
const attempts = 3

// hasAll wants recordings of a program in which all waits that it knows of are as
// they were. The kernel skips the run of a probe where a thread was preempted in the
// same probe, which is no fault of the recording: it tells of that, and the program
// is recorded again.
func hasAll(t *testing.T, record func() ([]*recording, []known)) {
	t.Helper()
	for attempt := 1; ; attempt++ {
		recordings, all := record()
		var wrong []string
		excused := attempt < attempts
		for _, r := range recordings {
			differences := r.differences(all)
			_, skipped := r.Losses()
			excused = excused && (skipped > 0 || len(differences) == 0)
			wrong = append(wrong, differences...)
		}
		switch {
		case len(wrong) == 0:
			return
		case !excused:
			t.Errorf("%d waits are wrong:\n%s", len(wrong), strings.Join(wrong, "\n"))
			return
		}
		t.Logf("recorded again, since the kernel skipped runs of probes: %d waits are wrong", len(wrong))
	}
}

// differences tells in what a recording differs from what the program knows.
func (r *recording) differences(all []known) []string {
	var wrong []string
	byGoid := make(map[uint64]*wait.Wait) // the last of each
	for i := range r.Waits {
		if w := &r.Waits[i]; w.Kind == wait.KindWait && w.Reason == wait.ReasonIO {
			byGoid[w.Goid] = w
		}
	}
	for i := range all {
		k := &all[i]
		w := byGoid[k.goid]
		if w == nil {
			wrong = append(wrong, fmt.Sprintf("%s, %s %s: it was not recorded", k.name, k.op, k.outcome))
			continue
		}
		if how := k.differs(w); how != "" {
			wrong = append(wrong, fmt.Sprintf("%s, %s %s: %s\n%+v", k.name, k.op, k.outcome, how, *w))
		}
	}
	return wrong
}

func TestEachKindOfDescriptorAndEachEnd(t *testing.T) {
	for _, mode := range []wait.Mode{wait.ModeIO, wait.ModeAll} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			hasAll(t, func() ([]*recording, []known) {
				program := launch(t, "endings")
				r := attach(t, program.PID(), settings{mode: mode})
				log, connects := scratch(t, "log"), scratch(t, "connects")
				do(t, program, "run", log)
				do(t, program, "connect", connects)
				r.end(t)
				closes(t, program)
				r.complete(t)
				r.tellsOfTheWire(t)
				return []*recording{r}, append(readKnown(t, log), readKnown(t, connects)...)
			})
		})
	}
}

// tellsOfTheWire checks what TCP sockets say of themselves. A connect that the
// listener's kernel lets wait asks again after a second.
func (r *recording) tellsOfTheWire(t *testing.T) {
	t.Helper()
	retransmitted := false
	for i := range r.Waits {
		w := &r.Waits[i]
		tcp := w.Kind == wait.KindWait && w.Proto == "tcp" && w.Role != wait.RoleListening && w.Outcome != wait.OutcomeClosed
		if tcp != w.HasTCP {
			t.Errorf("told of the wire: %t; %+v", w.HasTCP, *w)
		}
		if tcp && w.Op == wait.OpRead && (w.RTT == 0 || w.RTT > uint32(time.Second/time.Microsecond)) {
			t.Errorf("a round trip of %d us over loopback: %+v", w.RTT, *w)
		}
		if w.Op == wait.OpConnect && w.Outcome == wait.OutcomeReady && w.Retransmits > 0 {
			retransmitted = true
		}
	}
	if !retransmitted {
		t.Error("no connect with a retransmission")
	}
}
