package dtrace_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/netpolltrace/netpolltrace/gobinary"
	"github.com/netpolltrace/netpolltrace/internal/truth"
	dtrace "github.com/netpolltrace/netpolltrace/kqueue_dtrace"
	"github.com/netpolltrace/netpolltrace/wait"
)

// These tests read output as kevent would make it, written by hand: times are in
// microseconds from the start, so that sums can be checked by hand.

// output is the saved output of a script for FreeBSD in mode all.
type output struct {
	binary *gobinary.Binary
	lines  []string
}

func newOutput(t testing.TB) *output {
	t.Helper()
	o := &output{binary: systems[2].open(t)}
	o.lines = []string{fmt.Sprintf("NPT1 B 0 %d 41 freebsd amd64 all %s %s", wallClock, o.binary.GoVersion, o.binary.BuildID)}
	return o
}

// wallClock is when the recordings began.
const wallClock = 1_700_000_000_000_000_000

// at adds a record: its kind, its time, and what follows CPU and thread.
func (o *output) at(us int, kind, rest string) {
	o.lines = append(o.lines, fmt.Sprintf("NPT1 %s %d 0 100 %s", kind, us*1000, rest))
}

// reason is the number of a wait reason.
func (o *output) reason(text string) int {
	reasons, _ := o.binary.WaitReasons()
	for i, r := range reasons {
		if r == text {
			return i
		}
	}
	return -1
}

// parkIO and parkOther park a goroutine.
func (o *output) parkIO(us, g, goid, pd int, write bool, fd int) {
	o.at(us, "P", fmt.Sprintf("%x", g))
	o.at(us, "I", fmt.Sprintf("%x %d %d %x %d %d 0 0 1", g, goid, o.reason(wait.ReasonIO), pd, map[bool]int{true: 1}[write], fd))
}

func (o *output) parkOther(us, g, goid int, reason string) {
	o.at(us, "P", fmt.Sprintf("%x", g))
	o.at(us, "I", fmt.Sprintf("%x %d %d 0 0 0 0 0 1", g, goid, o.reason(reason)))
}

// kevent returns an event for reading; sleeps tells that the poll may have slept.
func (o *output) kevent(us, fd int, sleeps bool) {
	o.at(us, "V", fmt.Sprintf("%d %d -1 0 0", map[bool]int{true: 1}[sleeps], fd))
}

func (o *output) text() string { return "\n" + strings.Join(o.lines, "\n\n") + "\n" }

// gathered is what came of a replay.
type gathered struct {
	truth.Gather
	source *dtrace.Source
	lost   map[string]uint64 // by note
}

// replay reads output.
func replay(t testing.TB, b *gobinary.Binary, text string) *gathered {
	t.Helper()
	source, err := dtrace.Replay(strings.NewReader(text), dtrace.Config{Binary: b, Process: wait.Process{Name: "small"}})
	if err != nil {
		t.Fatal(err)
	}
	g := &gathered{source: source, lost: make(map[string]uint64)}
	if err := source.Run(t.Context(), &g.Gather); err != nil {
		t.Fatal(err)
	}
	for _, e := range g.Events {
		if e.Kind == wait.EventLost || e.Kind == wait.EventIncomplete {
			g.lost[e.Note] += e.Count
		}
	}
	return g
}

// exchange is a recording of every kind of wait, and what must come of it.
func exchange(t testing.TB) (*output, []wait.Wait) {
	o := newOutput(t)
	us := func(n int) time.Duration { return time.Duration(n) * time.Microsecond }
	// fd 7 is dialed and asked at 90: the reply comes at 400.
	o.at(50, "D", "s 7 2 1 0 0")
	o.at(60, "D", fmt.Sprintf("c 7 %x 0 0 0", 0x0100007f_901f0210))
	o.at(90, "O", "7")
	o.parkIO(100, 0xa00, 5, 0xd00, false, 7)
	o.kevent(400, 7, true)
	o.at(410, "N", "d00 114 a00 0")
	o.at(430, "X", "a00")
	o.at(435, "Q", "7")
	// Asked for nothing: what comes at 700 was not awaited.
	o.parkIO(500, 0xa00, 5, 0xd00, false, 7)
	o.kevent(700, 7, false)
	o.at(710, "N", "d00 114 a00 0")
	o.at(720, "X", "a00")
	// A deadline, by a timer.
	o.parkIO(800, 0xa00, 5, 0xd00, false, 7)
	o.at(900, "R", "a00 1")
	o.at(950, "X", "a00")
	// A channel, of which goroutine 9 wakes it.
	o.parkOther(1000, 0xb00, 6, "chan receive")
	o.at(1100, "R", "b00 0")
	o.at(1100, "T", "b00 9 6 0 0 0 "+strings.TrimSpace(strings.Repeat("0 ", 8)))
	o.at(1130, "X", "b00")
	// Parked before the recording began.
	o.at(1200, "N", "e00 114 c00 0")
	o.at(1250, "X", "c00")
	// Open at the end.
	o.parkOther(1300, 0xb00, 6, "select")
	o.lines = append(o.lines, "NPT1 E 1500000")
	none := wait.Unmeasured
	return o, []wait.Wait{
		{Goid: 5, Total: us(330), Network: us(300), Netpoll: us(10), Blocked: none, Sched: us(20), Idle: 0, Outcome: wait.OutcomeReady, Op: wait.OpRead, FD: 7, Peer: "127.0.0.1:8080", Role: wait.RoleDialed},
		{Goid: 5, Total: us(220), Network: none, Netpoll: none, Blocked: none, Sched: us(10), Idle: us(210), Outcome: wait.OutcomeReady, Op: wait.OpRead, FD: 7, Peer: "127.0.0.1:8080", Role: wait.RoleDialed},
		{Goid: 5, Total: us(150), Network: none, Netpoll: none, Blocked: us(100), Sched: us(50), Idle: us(100), Outcome: wait.OutcomeTimeout, Op: wait.OpRead, FD: 7, Peer: "127.0.0.1:8080", Role: wait.RoleDialed},
		{Goid: 6, Total: us(130), Network: none, Netpoll: none, Blocked: us(100), Sched: us(30), Idle: none, Outcome: wait.OutcomeReady, FD: -1, WakerGoid: 9},
		{Goid: 0, Total: us(1250), Network: none, Netpoll: none, Blocked: none, Sched: us(50), Idle: none, Outcome: wait.OutcomeReady, Op: wait.OpRead, FD: -1, StartedBefore: true},
		{Goid: 6, Kind: wait.KindOpen, Total: us(200), Network: none, Netpoll: none, Blocked: none, Sched: none, Idle: none, FD: -1},
	}
}

// same compares what a test says of a wait.
func same(got, want *wait.Wait) bool {
	return got.Goid == want.Goid && got.Total == want.Total && got.Network == want.Network && got.Netpoll == want.Netpoll &&
		got.Blocked == want.Blocked && got.Sched == want.Sched && got.Idle == want.Idle && got.Outcome == want.Outcome &&
		got.Op == want.Op && got.FD == want.FD && got.Peer == want.Peer && got.Role == want.Role &&
		got.WakerGoid == want.WakerGoid && got.StartedBefore == want.StartedBefore &&
		(got.Kind == wait.KindOpen) == (want.Kind == wait.KindOpen)
}

func check(t *testing.T, got, want []wait.Wait) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d waits, want %d: %+v", len(got), len(want), got)
	}
	for i := range want {
		if !same(&got[i], &want[i]) {
			t.Errorf("wait %d is\n%+v, want\n%+v", i, got[i], want[i])
		}
	}
}

func TestRecordsBecomeWaits(t *testing.T) {
	o, want := exchange(t)
	g := replay(t, o.binary, o.text())
	check(t, g.Waits, want)
	if len(g.lost) > 0 {
		t.Errorf("lost: %v", g.lost)
	}
	if got := g.Waits[0].Start; got != wallClock+100_000 {
		t.Errorf("the first wait began at %d", got)
	}
	if e := g.source.Ended(); e.Duration != 1500*time.Microsecond || !strings.Contains(e.Note, "good order") {
		t.Errorf("the end is %+v", e)
	}
	if m := g.source.Meta(); m.Targets[0].PID != 41 || m.Targets[0].Mode != wait.ModeAll || m.Unverified != "unverified on this system" {
		t.Errorf("the recording is %+v", m)
	}
}

// Lines of different CPUs come in any order, within the time that they are held
// back for, and pieces of output are cut anywhere.
func TestTheOrderOfLinesDoesNotMatter(t *testing.T) {
	for seed := range uint64(50) {
		o, want := exchange(t)
		random := rand.New(rand.NewPCG(seed, 1))
		// What one probe prints stays together, and each CPU's lines in their order:
		// here every group of one time is a CPU of its own.
		groups := make(map[string][]string)
		var times []string
		for _, line := range o.lines[1:] {
			time := strings.Fields(line)[2]
			if groups[time] == nil {
				times = append(times, time)
			}
			groups[time] = append(groups[time], line)
		}
		random.Shuffle(len(times), func(i, j int) { times[i], times[j] = times[j], times[i] })
		o.lines = o.lines[:1]
		for _, time := range times {
			o.lines = append(o.lines, groups[time]...)
		}
		check(t, replay(t, o.binary, o.text()).Waits, want)
	}
}

func TestLossesAreCounted(t *testing.T) {
	o, want := exchange(t)
	o.lines = append(o.lines,
		"dtrace: 33899 drops on CPU 0",
		"dtrace: 7 aggregation drops on CPU 1",
		"dtrace: 1 dynamic variable drop",
		"dtrace: system integrity protection is on, some features will not be available",
		"dtrace: error on enabled probe ID 3 (ID 12: pid41:a.out:runtime.ready:entry): invalid address (0x8)",
		"NPT1 F 1400000 0 12 1 8",
		"NPT1 P 1450000 0",
		strings.Repeat("x", 10_000))
	text := o.text() + "NPT1 X 1460000 0 1" // cut off
	g := replay(t, o.binary, text)
	check(t, g.Waits, want)
	for note, n := range map[string]uint64{
		"DTrace dropped": 33907, "damaged": 2, "memory could not be read": 1,
	} {
		found := uint64(0)
		for said, count := range g.lost {
			if strings.Contains(said, note) {
				found += count
			}
		}
		if found != n {
			t.Errorf("%s: %d, want %d; lost: %v", note, found, n, g.lost)
		}
	}
	if g.source.Foreign() != 2 {
		t.Errorf("%d foreign lines, want 2", g.source.Foreign())
	}
	if s := g.source.Stats(); s.Delivered != uint64(len(want)) || s.Lost != 33909 {
		t.Errorf("figures are %+v", s)
	}
}

// Each record of which the wait could do without is taken away by itself.
func TestAWaitIsThereWithoutItsDetails(t *testing.T) {
	for _, kind := range []string{"I", "N", "V", "D", "O", "R", "T", "E"} {
		o, want := exchange(t)
		var kept []string
		for _, line := range o.lines {
			if !strings.HasPrefix(line, "NPT1 "+kind+" ") {
				kept = append(kept, line)
			}
		}
		o.lines = kept
		g := replay(t, o.binary, o.text())
		lacking := 0
		if kind == "N" {
			lacking = 1 // nothing tells that the one from before had waited
		}
		if len(g.Waits) != len(want)-lacking {
			t.Errorf("without %s: %d waits, want %d", kind, len(g.Waits), len(want)-lacking)
			continue
		}
		for i := range len(want) - lacking - 1 {
			if g.Waits[i].Total != want[i].Total && !want[i].StartedBefore {
				t.Errorf("without %s: wait %d took %v, want %v", kind, i, g.Waits[i].Total, want[i].Total)
			}
		}
	}
}

// A park whose resume was lost is counted, and does not become one long wait.
func TestAnEndThatWasLostIsCounted(t *testing.T) {
	o := newOutput(t)
	o.parkOther(100, 0xa00, 5, "sleep")
	o.parkOther(300, 0xa00, 5, "sleep")
	o.at(400, "X", "a00")
	g := replay(t, o.binary, o.text())
	if len(g.Waits) != 1 || g.Waits[0].Total != 100*time.Microsecond || g.lost["waits whose end was not recorded"] != 1 {
		t.Errorf("waits are %+v; lost: %v", g.Waits, g.lost)
	}
}

func TestOutputThatIsNotOfTheExecutable(t *testing.T) {
	o, _ := exchange(t)
	for text, problem := range map[string]string{
		"":                           "begins with NPT1 B",
		"hello\n":                    "begins with NPT1 B",
		o.text() + o.lines[0] + "\n": "two recordings",
		strings.Replace(o.text(), "freebsd", "darwin", 1):   "name the executable that ran",
		strings.Replace(o.text(), " all ", " some ", 1):     "unknown mode",
		strings.Replace(o.text(), o.binary.BuildID, "x", 1): "name the executable that ran",
	} {
		source, err := dtrace.Replay(strings.NewReader(text), dtrace.Config{Binary: o.binary})
		if err == nil {
			err = source.Run(t.Context(), new(truth.Gather))
		}
		if err == nil || !strings.Contains(err.Error(), problem) {
			t.Errorf("error is %v, want %q", err, problem)
		}
	}
}

// FuzzReplay reads damaged output: whatever comes of it must not panic, and parts
// must fit into their wait.
func FuzzReplay(f *testing.F) {
	o, _ := exchange(f)
	whole := []byte(o.text())
	f.Add(0, byte('N'), len(whole))
	for at := 0; at < len(whole); at += 37 {
		f.Add(at, byte('9'), len(whole))
		f.Add(at, byte('\n'), len(whole)-at/2)
	}
	f.Fuzz(func(t *testing.T, at int, value byte, end int) {
		data := bytes.Clone(whole)
		if at >= 0 && at < len(data) {
			data[at] = value
		}
		data = data[:min(max(end, 0), len(data))]
		source, err := dtrace.Replay(io.MultiReader(bytes.NewReader(data)), dtrace.Config{Binary: o.binary})
		if err != nil {
			return
		}
		var g truth.Gather
		if err := source.Run(t.Context(), &g); err != nil {
			return
		}
		for _, w := range g.Waits {
			if w.Total < 0 || w.Unsplit() < 0 {
				t.Errorf("parts are longer than their wait: %+v", w)
			}
		}
	})
}
