package probes_test

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/netpolltrace/netpolltrace/internal/truth"
	"github.com/netpolltrace/netpolltrace/probes"
	"github.com/netpolltrace/netpolltrace/process"
	"github.com/netpolltrace/netpolltrace/wait"
)

// idleEnds counts the open waits that are all that the program idle does, by
// who waits in them.
func idleEnds(all *truth.Gather) map[string]int {
	ends := make(map[string]int)
	for i := range all.Waits {
		w := &all.Waits[i]
		if w.Kind != wait.KindOpen || w.Stack == nil || w.Op != wait.OpRead {
			continue
		}
		complete := w.StartedBefore && w.Outcome == "" && w.FD >= 0 && w.Total > 0 && w.Idle == w.Total &&
			w.Local != "" && w.Peer != "" && w.Proto == "tcp" && strings.HasPrefix(w.Stack.Funcs, w.StartFunc+";")
		ends[fmt.Sprintf("%s, %s, complete: %t", w.Stack.Func, w.Role, complete)]++
	}
	return ends
}

// raiseFiles raises this process's limit of open files, and so that of the
// programs that it starts; the test is skipped where that is not allowed.
func raiseFiles(t *testing.T, n uint64) {
	t.Helper()
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	if before.Cur >= n {
		return
	}
	raised := unix.Rlimit{Cur: n, Max: max(n, before.Max)}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &raised); err != nil {
		t.Skipf("no right to open %d files: %v", n, err)
	}
	t.Cleanup(func() { unix.Setrlimit(unix.RLIMIT_NOFILE, &before) })
}

func TestWaitsUnderWayAreAllThere(t *testing.T) {
	for _, c := range []struct {
		mode  wait.Mode
		conns int
		small bool // a ring buffer that their descriptions do not fit into
	}{
		{mode: wait.ModeIO, conns: 1000},
		{mode: wait.ModeIO, conns: 1000, small: true},
		{mode: wait.ModeAll, conns: 1000},
		{mode: wait.ModeIO, conns: 9000},
	} {
		t.Run(fmt.Sprintf("%s %d small %t", c.mode, c.conns, c.small), func(t *testing.T) {
			raiseFiles(t, uint64(2*c.conns+100))
			program := launch(t, "idle", "-conns", strconv.Itoa(c.conns))
			limits := probes.DefaultLimits()
			if c.small {
				limits.RingBuffer = 64 << 10
			}
			r := program.attach(t, c.mode, limits, true)
			all := deliver(t, r, func() {})
			counted := balance(t, r, all)
			if c.small {
				// Each that could not be described was counted; balance saw to it.
				t.Logf("%d sockets could not be described", counted.NoSocketRecord)
				if n := number(all, open); n != uint64(2*c.conns) {
					t.Errorf("%d waits are open, want %d", n, 2*c.conns)
				}
				return
			}
			ends := idleEnds(all)
			for _, end := range []string{"main.readDialed, dialed, complete: true", "main.readAccepted, accepted, complete: true"} {
				if ends[end] != c.conns {
					t.Errorf("%d times %q, want %d; there are %v", ends[end], end, c.conns, ends)
				}
			}
			if told(all, wait.EventLost)+told(all, wait.EventIncomplete) > 0 {
				t.Errorf("something is missing: %+v", counted)
			}
		})
	}
}

func TestWhatHasNoRoomWhenTakenOverIsCounted(t *testing.T) {
	const conns, room = 50, 16
	for name, c := range map[string]struct {
		shrink func(*probes.Limits)
		kind   wait.EventKind
		open   uint64
	}{
		"goroutines":  {func(o *probes.Limits) { o.MaxGoroutines = room }, wait.EventLost, room},
		"descriptors": {func(o *probes.Limits) { o.MaxFDs = room }, wait.EventIncomplete, 2 * conns},
	} {
		t.Run(name, func(t *testing.T) {
			program := launch(t, "idle", "-conns", strconv.Itoa(conns))
			limits := probes.DefaultLimits()
			c.shrink(&limits)
			r := program.attach(t, wait.ModeIO, limits, true)
			all := deliver(t, r, func() {})
			balance(t, r, all)
			if n := number(all, open); n != c.open || told(all, c.kind) != 2*conns-room {
				t.Errorf("%d waits are open, %d events %s; want %d and %d", n, told(all, c.kind), c.kind, c.open, 2*conns-room)
			}
		})
	}
}

// The far ends of the echo wait when the recording begins, and are then asked.
func TestWaitsUnderWayEndOnce(t *testing.T) {
	const conns = 64
	for _, mode := range []wait.Mode{wait.ModeIO, wait.ModeAll} {
		t.Run(string(mode), func(t *testing.T) {
			program := launch(t, "echo", "-conns", strconv.Itoa(conns))
			for len(program.reading(t).Goroutines) < conns {
			}
			r := program.attach(t, mode, probes.DefaultLimits(), true)
			all := deliver(t, r, func() { program.do(t, "run", "20ms") })
			balance(t, r, all)
			seen := make(map[uint64]int) // by goroutine
			ended := 0
			for i := range all.Waits {
				w := &all.Waits[i]
				if !w.StartedBefore || w.Reason != wait.ReasonIO {
					continue
				}
				seen[w.Goid]++
				if w.Kind == wait.KindOpen { // it was not asked
					continue
				}
				ended++
				if w.Start != r.Meta().Started.UnixNano() || w.Op != wait.OpRead || w.Outcome != wait.OutcomeReady ||
					w.Role != wait.RoleAccepted || w.Network <= 0 || w.Idle != w.Network || w.Stack == nil || w.Stack.Func != "main.serve" {
					t.Errorf("a wait that was under way: %+v", *w)
				}
			}
			if len(seen) != conns || slices.Max(slices.Collect(maps.Values(seen))) != 1 || ended == 0 {
				t.Errorf("%d waits under way ended; by goroutine there are %v, want one for each of %d", ended, seen, conns)
			}
		})
	}
}

// reading are the goroutines that wait to read from a connection.
func (p *target) reading(t *testing.T) *process.Snapshot {
	t.Helper()
	snapshot, err := p.opened.Goroutines(p.binary)
	if err != nil {
		t.Fatal(err)
	}
	snapshot.Goroutines = slices.DeleteFunc(snapshot.Goroutines, func(g process.Goroutine) bool { return g.PollDesc == 0 })
	return snapshot
}

// thatMoveOn looks at the goroutines of the echo while at least so many of them
// wait, and lets it go on to its end. Some of them do not wait after that.
func (p *target) thatMoveOn(t *testing.T, atLeast int) *process.Snapshot {
	t.Helper()
	for {
		p.do(t, "begin")
		before := p.reading(t)
		for len(before.Goroutines) < atLeast {
			before = p.reading(t)
		}
		p.do(t, "end")
		if movedOn(before, p.reading(t)) {
			return before
		}
	}
}

// movedOn tells whether a goroutine that waited before does not wait any longer.
func movedOn(before, after *process.Snapshot) bool {
	waits := make(map[uint64]bool)
	for _, g := range after.Goroutines {
		waits[g.Goid] = true
	}
	return slices.ContainsFunc(before.Goroutines, func(g process.Goroutine) bool { return !waits[g.Goid] })
}

// openReads are the reads that are reported as open.
func openReads(all *truth.Gather) uint64 {
	return number(all, func(w *wait.Wait) bool { return open(w) && w.Reason == wait.ReasonIO })
}

// Goroutines of the echo run all the time: hardly any is where it was when it
// was looked at.
func TestAttachingToABusyProgramInventsNothing(t *testing.T) {
	const conns = 64
	for _, mode := range []wait.Mode{wait.ModeIO, wait.ModeAll} {
		t.Run(string(mode), func(t *testing.T) {
			program := launch(t, "echo", "-conns", strconv.Itoa(conns))
			program.do(t, "begin")
			r := program.attach(t, mode, probes.DefaultLimits(), true)
			all := deliver(t, r, func() {
				program.do(t, "end")
				// The near ends are gone. The far ends wait for more, soon.
				for len(program.reading(t).Goroutines) < conns {
				}
			})
			c := balance(t, r, all)
			if c.LostResume+c.LostRing+c.LostSlot > 0 {
				t.Errorf("waits were lost: %+v", c)
			}
			if n := openReads(all); n != conns {
				t.Errorf("%d reads are open, want %d: %+v", n, conns, c)
			}
		})
	}
}

// The goroutines at the near ends were looked at while they waited, and were
// gone when their waits were taken over.
func TestGoroutinesThatMovedOnAreNotWaiting(t *testing.T) {
	const conns = 64
	for _, mode := range []wait.Mode{wait.ModeIO, wait.ModeAll} {
		t.Run(string(mode), func(t *testing.T) {
			program := launch(t, "echo", "-conns", strconv.Itoa(conns))
			before := program.thatMoveOn(t, conns/2)
			r := program.attach(t, mode, probes.DefaultLimits(), false)
			if err := r.AdoptFrom(program.PID(), before); err != nil {
				t.Fatal(err)
			}
			all := deliver(t, r, func() {})
			c := balance(t, r, all)
			if c.StaleOpen == 0 {
				t.Errorf("no goroutine had moved on: %+v", c)
			}
			if n := openReads(all); n > conns {
				t.Errorf("%d reads are open, want at most %d: %+v", n, conns, c)
			}
		})
	}
}

// Whose descriptor was closed while it was taken over lacks nothing if it is not
// delivered at all.
func TestOnlyWhatIsDeliveredLacksItsDescriptor(t *testing.T) {
	const conns, closed = 64, 1 << 20
	program := launch(t, "echo", "-conns", strconv.Itoa(conns))
	before := program.thatMoveOn(t, conns/2)
	for i := range before.Goroutines {
		before.Goroutines[i].FD = closed
	}
	r := program.attach(t, wait.ModeIO, probes.DefaultLimits(), false)
	if err := r.AdoptFrom(program.PID(), before); err != nil {
		t.Fatal(err)
	}
	all := deliver(t, r, func() {})
	c := balance(t, r, all)
	lacking := number(all, func(w *wait.Wait) bool { return w.StartedBefore && w.FD < 0 })
	if told(all, wait.EventIncomplete) != lacking || c.StaleOpen == 0 {
		t.Errorf("%d waits are said to lack something, %d do: %+v", told(all, wait.EventIncomplete), lacking, c)
	}
}
