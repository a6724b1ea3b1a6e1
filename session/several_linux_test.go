package session_test

import (
	"errors"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/cilium/ebpf/link"

	"github.com/netpolltrace/netpolltrace/internal/testprogram"
	"github.com/netpolltrace/netpolltrace/probes"
	"github.com/netpolltrace/netpolltrace/wait"
)

// requests is how often a server asks another in these tests.
const requests = 50

// ends are the connections of a process, with their descriptors.
type ends map[end]int32

// end is one end of a connection.
type end struct {
	role        wait.Role
	local, peer string
}

// endsOf asks the program mutual for its connections.
func endsOf(t *testing.T, program *testprogram.Process) ends {
	t.Helper()
	all := make(ends)
	for word, number := range do(t, program, "conns") {
		parts := strings.Split(word, "/")
		fd, err := strconv.Atoi(number)
		if err != nil || len(parts) != 3 {
			t.Fatalf("a connection that cannot be read: %s=%s", word, number)
		}
		all[end{wait.Role(parts[0]), parts[1], parts[2]}] = int32(fd)
	}
	return all
}

// callEachOther has each of two servers ask the other at the same time.
func callEachOther(t *testing.T, a, b *testprogram.Process) {
	t.Helper()
	for _, pair := range [][2]*testprogram.Process{{a, b}, {b, a}} {
		if err := pair[0].Send("call", pair[1].Ready["address"], strconv.Itoa(requests)); err != nil {
			t.Fatal(err)
		}
	}
	for _, program := range []*testprogram.Process{a, b} {
		if _, err := program.Expect("done"); err != nil {
			t.Fatal(err)
		}
	}
}

// ownEnds checks that each wait on a connection is of an end that its process
// has, under the number that it has there, and that the waits for the requests
// and their answers are there: on a busy machine some are read without a wait.
func (r *recording) ownEnds(t *testing.T, of map[int32]ends) {
	t.Helper()
	read := make(map[int32]map[end]int)
	for pid := range of {
		read[pid] = make(map[end]int)
	}
	for i := range r.Waits {
		w := &r.Waits[i]
		if of[w.Process.PID] == nil {
			t.Fatalf("a wait of process %d, which is not recorded", w.Process.PID)
		}
		if w.Proto != "tcp" || w.Role == wait.RoleListening || w.Op == wait.OpConnect {
			continue
		}
		which := end{w.Role, w.Local, w.Peer}
		fd, known := of[w.Process.PID][which]
		switch {
		case !known:
			t.Errorf("process %d does not have the connection of %+v", w.Process.PID, *w)
		case fd != w.FD:
			t.Errorf("process %d has this connection as fd %d: %+v", w.Process.PID, fd, *w)
		case w.Op == wait.OpRead && w.Outcome == wait.OutcomeReady:
			read[w.Process.PID][which]++
		}
	}
	for pid, all := range of {
		for which := range all {
			if n := read[pid][which]; n < requests/2 {
				t.Errorf("process %d: %d reads of %+v, of %d requests", pid, n, which, requests)
			}
		}
	}
}

func TestServersThatCallEachOtherAreToldApart(t *testing.T) {
	needsRecording(t)
	path := build(t, "mutual")
	moved, err := testprogram.Build{Flags: []string{"-buildmode=pie"}}.Program(t.Context(), "mutual", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, other := range map[string]string{"one executable": path, "two executables": moved} {
		for _, mode := range []wait.Mode{wait.ModeIO, wait.ModeAll} {
			t.Run(name+"/"+string(mode), func(t *testing.T) {
				a, b := start(t, path), start(t, other)
				r := record(t, settings{mode: mode}, open(t, a.PID()), open(t, b.PID()))
				callEachOther(t, a, b)
				known := map[int32]ends{int32(a.PID()): endsOf(t, a), int32(b.PID()): endsOf(t, b)}
				r.end(t)
				closes(t, a)
				closes(t, b)
				r.complete(t)
				r.ownEnds(t, known)
			})
		}
	}
}

// becomes waits for a change of a process.
func (r *recording) becomes(t *testing.T, pid int, state wait.TargetState) {
	t.Helper()
	r.hear(t, func(e wait.Event) bool {
		change, ok := e.Detail.(*wait.TargetChange)
		return ok && change.State == state && int(e.Process.PID) == pid
	})
}

// states are what became of a process, in order.
func (r *recording) states(pid int) []wait.TargetState {
	var all []wait.TargetState
	for _, e := range r.Events {
		if change, ok := e.Detail.(*wait.TargetChange); ok && int(e.Process.PID) == pid {
			all = append(all, change.State)
		}
	}
	return all
}

// hostEvents are the numbers, in the order of all events, of those that tell of
// the CPU time of a process.
func (r *recording) hostEvents(pid int) []int {
	var at []int
	for i, e := range r.Events {
		if e.Kind == wait.EventCPU && int(e.Process.PID) == pid {
			at = append(at, i)
		}
	}
	return at
}

func kill(t *testing.T, program *testprogram.Process) {
	t.Helper()
	if err := syscall.Kill(program.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	program.Close() // it was killed, which is an error
}

// uprobeEvents are the uprobes that the kernel has by name.
func uprobeEvents(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("/sys/kernel/tracing/uprobe_events")
	if errors.Is(err, os.ErrNotExist) {
		return "" // tracefs is not mounted
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestOneServerJoinsAndAnotherLeaves(t *testing.T) {
	before, named := heldLinks(t, os.Getpid()), uprobeEvents(t)
	a, b := launch(t, "mutual"), launch(t, "mutual")
	r := attach(t, a.PID(), settings{mode: wait.ModeAll})
	if _, err := r.source.Add(open(t, b.PID()), probes.TargetOptions{}); err != nil {
		t.Fatal(err)
	}
	r.becomes(t, b.PID(), wait.TargetJoined)
	held := heldLinks(t, os.Getpid())
	callEachOther(t, a, b)
	known := map[int32]ends{int32(a.PID()): endsOf(t, a)}

	kill(t, a)
	r.becomes(t, a.PID(), wait.TargetExited)
	if left := heldLinks(t, os.Getpid()); len(left) >= len(held) {
		t.Errorf("of the %d links for two processes %d are held when one left", len(held), len(left))
	}
	do(t, b, "call", b.Ready["address"], strconv.Itoa(requests))
	known[int32(b.PID())] = endsOf(t, b)
	kill(t, b)
	r.wait(t)

	r.complete(t)
	r.ownEnds(t, known)
	if states := r.states(a.PID()); !slices.Equal(states, []wait.TargetState{wait.TargetExited}) {
		t.Errorf("of the first is said %v", states)
	}
	if states := r.states(b.PID()); !slices.Equal(states, []wait.TargetState{wait.TargetJoined, wait.TargetExited}) {
		t.Errorf("of the second is said %v", states)
	}
	if last := r.Events[len(r.Events)-1]; last.Kind != wait.EventEnd {
		t.Errorf("the last event is %+v, want the recording's end", last)
	}
	gone(t, slices.DeleteFunc(held, func(id link.ID) bool { return slices.Contains(before, id) }))
	if left := uprobeEvents(t); left != named {
		t.Errorf("the kernel has the uprobes %q, had %q before", left, named)
	}
}

func TestAProgramThatStartsItselfAgainIsRecordedWithItsChild(t *testing.T) {
	program := launch(t, "lifecycle")
	r := attach(t, program.PID(), settings{mode: wait.ModeIO, follow: probes.FollowChildren})
	child, err := strconv.Atoi(do(t, program, "fork")["pid"])
	if err != nil {
		t.Fatal(err)
	}
	r.becomes(t, child, wait.TargetJoined)
	do(t, program, "fork")
	r.hear(t, func(e wait.Event) bool { return e.Kind == wait.EventCPU && int(e.Process.PID) == child })
	threadsOf := map[int32]map[int32]bool{int32(program.PID()): threads(t, program.PID()), int32(child): threads(t, child)}
	closes(t, program) // its children end with it
	r.wait(t)
	r.complete(t)
	waits := make(map[int32]int)
	for i := range r.Waits {
		w := &r.Waits[i]
		waits[w.Process.PID]++
		if own := threadsOf[w.Process.PID]; own != nil && w.Kind == wait.KindWait && !own[w.TID] {
			t.Fatalf("a wait of process %d ended on thread %d, it has %v", w.Process.PID, w.TID, own)
		}
	}
	if len(waits) != 3 || waits[int32(child)] == 0 {
		t.Errorf("there are waits of %v, want some of the program and its two children", waits)
	}
	if states := r.states(child); !slices.Equal(states, []wait.TargetState{wait.TargetJoined, wait.TargetExited}) {
		t.Errorf("of the child is said %v", states)
	}
	if len(r.hostEvents(child)) == 0 {
		t.Error("what CPU time the child used is not said")
	}
}

func TestAProgramThatReplacesItselfIsRecordedAgain(t *testing.T) {
	program := launch(t, "lifecycle")
	pid := program.PID()
	r := attach(t, pid, settings{mode: wait.ModeIO, follow: probes.FollowChildren})
	if err := program.Send("exec"); err != nil {
		t.Fatal(err)
	}
	if _, err := program.Expect("ready"); err != nil {
		t.Fatal(err)
	}
	r.becomes(t, pid, wait.TargetJoined)
	r.await(t, wait.EventCPU, 1)
	closes(t, program)
	r.wait(t)
	r.complete(t)
	want := []wait.TargetState{wait.TargetExec, wait.TargetJoined, wait.TargetExited}
	if states := r.states(pid); !slices.Equal(states, want) {
		t.Errorf("of the process is said %v, want %v", states, want)
	}
	joined := slices.IndexFunc(r.Events, func(e wait.Event) bool {
		change, ok := e.Detail.(*wait.TargetChange)
		return ok && change.State == wait.TargetJoined
	})
	host := r.hostEvents(pid)
	if len(host) < 2 || host[0] > joined || host[len(host)-1] < joined {
		t.Errorf("the CPU time is said by the events %v, the process joined again with event %d; want some before and after", host, joined)
	}
	if !slices.ContainsFunc(r.Waits, func(w wait.Wait) bool { return w.Start > r.Events[joined].Start }) {
		t.Error("no wait began after the process joined again")
	}
}
