package probes_test

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/netpolltrace/netpolltrace/internal/truth"
	"github.com/netpolltrace/netpolltrace/probes"
	"github.com/netpolltrace/netpolltrace/wait"
)

// running is a recording under way, and what it delivered so far.
type running struct {
	truth.Gather
	ofPID  map[int]int // finished waits, by process
	beyond int         // those that are not of the netpoller
	mu     sync.Mutex
	more   *sync.Cond
	ended  bool
	err    error
	stop   context.CancelFunc
}

// run has a recorder deliver, until the test ends or it ends by itself.
func run(t *testing.T, r *probes.Recorder) *running {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	all := &running{stop: stop, ofPID: make(map[int]int)}
	all.more = sync.NewCond(&all.mu)
	go func() {
		err := r.Run(ctx, all)
		all.mu.Lock()
		defer all.mu.Unlock()
		all.ended, all.err = true, err
		all.more.Broadcast()
	}()
	t.Cleanup(func() {
		stop()
		all.until(t, func() bool { return all.ended })
	})
	return all
}

func (r *running) Wait(w *wait.Wait) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.more.Broadcast()
	if finished(w) {
		r.ofPID[int(w.Process.PID)]++
	}
	if beyondNetpoller(w) {
		r.beyond++
	}
	return r.Gather.Wait(w)
}

func (r *running) Event(e *wait.Event) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.more.Broadcast()
	return r.Gather.Event(e)
}

// until returns when something holds for what was delivered; that must be
// before the recording ends.
func (r *running) until(t *testing.T, holds func() bool) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for !holds() {
		if r.ended {
			t.Fatalf("the recording ended too early: %v; events %v", r.err, r.Events)
		}
		r.more.Wait()
	}
}

// end ends the recording, or waits for its end if it ends by itself.
func (r *running) end(t *testing.T, byItself bool) {
	t.Helper()
	if !byItself {
		r.stop()
	}
	r.until(t, func() bool { return r.ended })
	if r.err != nil {
		t.Fatal(r.err)
	}
}

// finishedOf is how many finished waits of a process there are by now.
func (r *running) finishedOf(pid int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ofPID[pid]
}

// beyondNetpoller is how many of all are not of the netpoller.
func (r *running) beyondNetpoller() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.beyond
}

// became tells whether a process is in a state by now.
func (r *running) became(pid int, state wait.TargetState) func() bool {
	return func() bool { return slices.Contains(statesOf(&r.Gather, pid), state) }
}

// waitsOf tells whether there are so many finished waits of a process.
func (r *running) waitsOf(pid, atLeast int) func() bool {
	return func() bool { return r.ofPID[pid] >= atLeast }
}

func of(pid int) func(*wait.Wait) bool {
	return func(w *wait.Wait) bool { return finished(w) && int(w.Process.PID) == pid }
}

// nothingLost fails the test if something was lost or is incomplete.
func nothingLost(t *testing.T, all *truth.Gather) {
	t.Helper()
	for _, e := range all.Events {
		if e.Kind == wait.EventLost || e.Kind == wait.EventIncomplete {
			t.Errorf("%s %d: %s", e.Kind, e.Count, e.Note)
		}
	}
}

// keptApart fails the test unless the sockets of each process are its own. Both
// ends of all connections of the programs here are in one process.
func keptApart(t *testing.T, all *truth.Gather, targets ...*target) {
	t.Helper()
	type end struct {
		pid         int32
		local, peer string
	}
	fds := make(map[end]int32)
	for i := range all.Waits {
		w := &all.Waits[i]
		if w.Proto != "tcp" || w.Role == wait.RoleListening {
			continue
		}
		key := end{w.Process.PID, w.Local, w.Peer}
		if known, ok := fds[key]; ok && known != w.FD {
			t.Errorf("%+v is fd %d and fd %d", key, known, w.FD)
		}
		fds[key] = w.FD
	}
	strangers := 0
	for i := range all.Waits {
		w := &all.Waits[i]
		if w.Proto != "tcp" || w.Role != wait.RoleAccepted {
			continue
		}
		for _, p := range targets {
			if _, owns := fds[end{int32(p.PID()), w.Peer, w.Local}]; owns && p.PID() != int(w.Process.PID) {
				strangers++
			}
		}
	}
	if strangers > 0 {
		t.Errorf("%d waits are for a peer in the other process", strangers)
	}
	for _, p := range targets {
		if n := number(all, func(w *wait.Wait) bool { return of(p.PID())(w) && w.Proto == "tcp" && w.Stack != nil }); n == 0 {
			t.Errorf("process %d has no wait for a connection", p.PID())
		}
	}
}

func TestTwoProcessesOfOneExecutable(t *testing.T) {
	for name, c := range map[string]struct {
		mode     wait.Mode
		features *probes.Features
	}{
		"io":                  {wait.ModeIO, features},
		"all":                 {wait.ModeAll, features},
		"all without cookies": {wait.ModeAll, features.Without(probes.FeatureCookie)},
	} {
		t.Run(name, func(t *testing.T) {
			one, other := launch(t, "echo"), launch(t, "echo")
			r := openRecorder(t, probes.Options{Mode: c.mode, Features: c.features})
			one.add(t, r, probes.TargetOptions{})
			other.add(t, r, probes.TargetOptions{})
			all := run(t, r)
			for _, p := range []*target{one, other} {
				p.do(t, "begin")
			}
			for _, p := range []*target{one, other} {
				all.until(t, all.waitsOf(p.PID(), 100))
			}
			for _, p := range []*target{one, other} {
				p.do(t, "end")
			}
			all.end(t, false)
			balance(t, r, &all.Gather)
			nothingLost(t, &all.Gather)
			keptApart(t, &all.Gather, one, other)
			if n := len(r.Meta().Targets); n != 2 {
				t.Errorf("the recording names %d targets, want 2", n)
			}
			for _, p := range r.Stats().Processes {
				if p.Hits == 0 || p.Cost == 0 || p.CPU <= 0 || p.Mode != c.mode {
					t.Errorf("the figures of a process: %+v", p)
				}
			}
		})
	}
}

func TestAProcessIsRecordedOnce(t *testing.T) {
	program := launch(t, "idle")
	r := program.attach(t, wait.ModeIO, probes.DefaultLimits(), true)
	if _, err := r.Add(program.opened, probes.TargetOptions{}); err == nil {
		t.Error("it was added twice")
	}
	if err := r.Remove(program.PID()); err != nil {
		t.Error(err)
	}
	if err := r.Remove(program.PID()); err == nil {
		t.Error("it was removed twice")
	}
	if n := len(r.Meta().Targets); n != 0 {
		t.Errorf("the recording names %d targets, want none", n)
	}
}

func TestOneJoinsAndOneLeaves(t *testing.T) {
	first, second := launch(t, "lifecycle"), launch(t, "lifecycle")
	r := first.attach(t, wait.ModeAll, probes.DefaultLimits(), true)
	all := run(t, r)
	all.until(t, all.waitsOf(first.PID(), 100))
	second.add(t, r, probes.TargetOptions{})
	all.until(t, all.waitsOf(second.PID(), 100))
	if err := r.Remove(first.PID()); err != nil {
		t.Fatal(err)
	}
	all.until(t, all.became(first.PID(), wait.TargetLeft))
	before := all.finishedOf(first.PID())
	all.until(t, all.waitsOf(second.PID(), all.finishedOf(second.PID())+100))
	all.end(t, false)
	balance(t, r, &all.Gather)
	nothingLost(t, &all.Gather)
	keptApart(t, &all.Gather, first, second)
	if after := all.finishedOf(first.PID()); after != before {
		t.Errorf("%d waits of the first came after it had left", after-before)
	}
	if n := number(&all.Gather, func(w *wait.Wait) bool { return open(w) && int(w.Process.PID) == first.PID() }); n == 0 {
		t.Error("the first left no open wait")
	}
	joined := slices.IndexFunc(all.Events, func(e wait.Event) bool {
		change, ok := e.Detail.(*wait.TargetChange)
		return ok && change.State == wait.TargetJoined && change.Target.PID == second.PID() && change.Target.Mode == wait.ModeAll
	})
	if joined < 0 || len(r.Meta().Targets) != 1 {
		t.Errorf("the second did not join by an event: %v", all.Events)
	}
}

func TestTheLastProcessThatIsKilledEndsTheRecording(t *testing.T) {
	first, second := launchMortal(t, "lifecycle"), launchMortal(t, "lifecycle")
	r := openRecorder(t, probes.Options{Mode: wait.ModeIO})
	first.add(t, r, probes.TargetOptions{})
	second.add(t, r, probes.TargetOptions{})
	all := run(t, r)
	all.until(t, all.waitsOf(first.PID(), 10))
	if err := first.Send("kill"); err != nil {
		t.Fatal(err)
	}
	all.until(t, all.became(first.PID(), wait.TargetExited))
	all.until(t, all.waitsOf(second.PID(), all.finishedOf(second.PID())+10))
	if err := second.Send("kill"); err != nil {
		t.Fatal(err)
	}
	all.end(t, true)
	nothingLost(t, &all.Gather)
	for _, p := range []*target{first, second} {
		if states := statesOf(&all.Gather, p.PID()); !slices.Equal(states, []wait.TargetState{wait.TargetExited}) {
			t.Errorf("of process %d it was told that it %v, want %v", p.PID(), states, wait.TargetExited)
		}
	}
}

// With room for one process at a time each has the index of the one before.
func TestTheNextProcessIsNotTakenForTheLast(t *testing.T) {
	limits := probes.DefaultLimits()
	limits.MaxProcesses = 1
	r := openRecorder(t, probes.Options{Mode: wait.ModeIO, Limits: limits, KeepRunning: true})
	all := run(t, r)
	programs := []*target{launch(t, "echo"), launch(t, "echo"), launch(t, "echo")}
	for i, p := range programs {
		p.add(t, r, probes.TargetOptions{})
		if _, err := r.Add(programs[(i+1)%len(programs)].opened, probes.TargetOptions{}); err == nil {
			t.Error("there was room for two")
		}
		p.do(t, "begin")
		all.until(t, all.waitsOf(p.PID(), 100))
		if err := r.Remove(p.PID()); err != nil {
			t.Fatal(err)
		}
		all.until(t, all.became(p.PID(), wait.TargetLeft))
	}
	for _, p := range programs {
		p.do(t, "end")
	}
	all.end(t, false)
	balance(t, r, &all.Gather)
	nothingLost(t, &all.Gather)
	keptApart(t, &all.Gather, programs...)
}

// told by an event without a detail: of a child that is not recorded.
func ofChildren(all *truth.Gather) []string {
	var notes []string
	for _, e := range all.Events {
		if e.Kind == wait.EventTarget && e.Detail == nil {
			notes = append(notes, e.Note)
		}
	}
	return notes
}

func TestAChildOfTheSameExecutableIsToldOnce(t *testing.T) {
	program := launch(t, "lifecycle")
	program.do(t, "fork") // before it is recorded
	r := program.attach(t, wait.ModeIO, probes.DefaultLimits(), true)
	all := run(t, r)
	program.do(t, "fork")
	program.do(t, "shell")
	all.until(t, all.waitsOf(program.PID(), 500))
	all.end(t, false)
	if notes := ofChildren(&all.Gather); len(notes) != 1 {
		t.Errorf("of children is said %q, want one sentence", notes)
	}
	if n := number(&all.Gather, finished); n != number(&all.Gather, of(program.PID())) {
		t.Error("a child was recorded")
	}
}

// joined are the processes that joined by themselves.
func (r *running) joined() []int {
	var pids []int
	for _, e := range r.Events {
		if change, ok := e.Detail.(*wait.TargetChange); ok && change.State == wait.TargetJoined {
			pids = append(pids, change.Target.PID)
		}
	}
	return pids
}

func TestChildrenAreFollowed(t *testing.T) {
	program := launchMortal(t, "lifecycle")
	early, err := strconv.Atoi(program.do(t, "fork")["pid"])
	if err != nil {
		t.Fatal(err)
	}
	r := openRecorder(t, probes.Options{Mode: wait.ModeIO, Follow: probes.FollowChildren})
	program.add(t, r, probes.TargetOptions{})
	all := run(t, r)
	late, err := strconv.Atoi(program.do(t, "fork")["pid"])
	if err != nil {
		t.Fatal(err)
	}
	program.do(t, "shell") // its child is the fourth
	var joined []int
	all.until(t, func() bool { joined = all.joined(); return len(joined) == 3 })
	for _, pid := range joined {
		all.until(t, all.waitsOf(pid, 10))
	}
	for _, pid := range []int{early, late} {
		if !slices.Contains(joined, pid) {
			t.Errorf("process %d did not join; there are %v", pid, joined)
		}
	}
	if err := program.Close(); err != nil {
		t.Fatal(err)
	}
	all.end(t, true)
	nothingLost(t, &all.Gather)
	for _, pid := range joined {
		if states := statesOf(&all.Gather, pid); !slices.Equal(states, []wait.TargetState{wait.TargetJoined, wait.TargetExited}) {
			t.Errorf("of process %d it was told that it %v", pid, states)
		}
	}
}

func TestAProgramThatStartsItselfAgainIsFollowed(t *testing.T) {
	program := launch(t, "lifecycle")
	pid := program.PID()
	r := openRecorder(t, probes.Options{Mode: wait.ModeIO, Follow: probes.FollowChildren})
	program.add(t, r, probes.TargetOptions{})
	all := run(t, r)
	for range 2 {
		if err := program.Send("exec"); err != nil {
			t.Fatal(err)
		}
		if _, err := program.Expect("ready"); err != nil {
			t.Fatal(err)
		}
	}
	all.until(t, func() bool {
		states := statesOf(&all.Gather, pid)
		return len(states) > 0 && states[len(states)-1] == wait.TargetJoined
	})
	all.until(t, all.waitsOf(pid, all.finishedOf(pid)+100))
	all.end(t, false)
	states := statesOf(&all.Gather, pid)
	for i, state := range states {
		if want := []wait.TargetState{wait.TargetExec, wait.TargetJoined}[i%2]; state != want {
			t.Errorf("of the process it was told that it %v", states)
		}
	}
}

// modesTold lists the changes of mode that were told.
func modesTold(all *truth.Gather) (modes []wait.Mode, last *wait.Event) {
	for i := range all.Events {
		if change, ok := all.Events[i].Detail.(*wait.ModeChange); ok {
			modes, last = append(modes, change.Mode), &all.Events[i]
		}
	}
	return modes, last
}

func beyondNetpoller(w *wait.Wait) bool { return finished(w) && w.Reason != wait.ReasonIO }

// overlap tells whether two finished waits of a goroutine do.
func overlap(all *truth.Gather) bool {
	ends := make(map[uint64]int64) // by goroutine
	for i := range all.Waits {
		w := &all.Waits[i]
		if !finished(w) {
			continue
		}
		if w.Start < ends[w.Goid] {
			return true
		}
		ends[w.Goid] = w.Start + int64(w.Total)
	}
	return false
}

func TestTheModeChangesWhileRecording(t *testing.T) {
	program := launch(t, "lifecycle")
	r := program.attach(t, wait.ModeIO, probes.DefaultLimits(), true)
	identity := r.Stats().Processes[0].Process
	all := run(t, r)
	all.until(t, all.waitsOf(program.PID(), 50))
	if n := all.beyondNetpoller(); n > 0 {
		t.Errorf("mode io saw %d waits beyond the netpoller", n)
	}
	for range 3 {
		if err := r.SetMode(nil, wait.ModeAll); err != nil {
			t.Fatal(err)
		}
		before := all.beyondNetpoller()
		all.until(t, func() bool { return all.beyond >= before+50 })
		if err := r.SetMode(identity, wait.ModeIO); err != nil {
			t.Fatal(err)
		}
		all.until(t, func() bool {
			modes, _ := modesTold(&all.Gather)
			return modes != nil && modes[len(modes)-1] == wait.ModeIO
		})
		all.until(t, all.waitsOf(program.PID(), all.finishedOf(program.PID())+50))
	}
	all.end(t, false)
	nothingLost(t, &all.Gather)
	if overlap(&all.Gather) {
		t.Error("waits of a goroutine overlap")
	}
	modes, last := modesTold(&all.Gather)
	if want := slices.Repeat([]wait.Mode{wait.ModeAll, wait.ModeIO}, 3); !slices.Equal(modes, want) {
		t.Errorf("the modes that were told are %v, want %v", modes, want)
	}
	if n := number(&all.Gather, func(w *wait.Wait) bool { return beyondNetpoller(w) && w.Start > last.Start }); n > 0 {
		t.Errorf("mode io saw %d waits beyond the netpoller", n)
	}
	if n := number(&all.Gather, func(w *wait.Wait) bool { return open(w) && w.Reason != wait.ReasonIO }); n == 0 {
		t.Error("no wait was open when the mode changed to one that does not see its end")
	}
}

func TestAModeThatIsNone(t *testing.T) {
	program := launch(t, "idle")
	r := program.attach(t, wait.ModeIO, probes.DefaultLimits(), true)
	if err := r.SetMode(nil, wait.ModeSample); err == nil {
		t.Error("it was taken")
	}
	if err := r.SetMode(&wait.Process{PID: 1}, wait.ModeAll); err == nil {
		t.Error("a process that is not recorded changed its mode")
	}
}
