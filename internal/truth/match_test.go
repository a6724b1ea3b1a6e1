package truth

import (
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/exp/trace"

	"github.com/netpolltrace/netpolltrace/wait"
)

const (
	tolerance  = time.Millisecond
	tornBeyond = 100 * time.Microsecond
	// wallClock of the made-up recordings: 2026-01-01 minus an uptime.
	wallClock = int64(1_767_225_600_000_000_000)
)

// pingPong is a trace in which goroutines 1 to 3 wait for 5 us, of which they
// are runnable for 1 us, and run for 3 us, from 1 s on.
func pingPong(waitsEach int) *Trace {
	t := &Trace{Start: int64(time.Second), End: int64(time.Second)}
	for i := range waitsEach {
		for goid := uint64(1); goid <= 3; goid++ {
			park := int64(time.Second+2*tolerance) + int64(i)*8000
			t.Waits = append(t.Waits, Wait{Goid: goid, Park: park, Runnable: park + 4000, Running: park + 5000, Reason: "network"})
			t.End = park + 5000 + int64(2*tolerance)
		}
	}
	return t
}

// recorded is a recording that saw the trace as probes do: it stamps 100 ns
// before the park and 200 ns after the resume.
func recorded(t *Trace) []wait.Wait {
	var ours []wait.Wait
	for _, w := range t.Waits {
		ours = append(ours, wait.Wait{
			Kind: wait.KindWait, Goid: w.Goid, Reason: wait.ReasonIO, Start: w.Park - 100 + wallClock,
			Total:   time.Duration(w.Running-w.Park) + 300,
			Network: time.Duration(w.Runnable-w.Park) - 1500, Netpoll: 1600, Sched: time.Duration(w.Running-w.Runnable) + 200,
			Blocked: wait.Unmeasured,
		})
	}
	return ours
}

func match(t *Trace, ours []wait.Wait) *Result {
	return Match(t, ours, Options{Reasons: NetworkReasons(), TornBeyond: tornBeyond, Tolerance: tolerance, WallClock: wallClock})
}

func TestAFaithfulRecordingMatchesWhole(t *testing.T) {
	traced := pingPong(1000)
	r := match(traced, recorded(traced))
	if len(r.Pairs) != 3000 || r.Matched() != 1 || r.Edge != 0 || len(r.WrongReason) != 0 {
		t.Errorf("got\n%v", r)
	}
	for name, c := range map[string]struct {
		part   *Part
		differ time.Duration
	}{"total": {&r.Total, 300}, "until": {&r.Until, 100}, "sched": {&r.Sched, 200}} {
		if c.part.Measured() != 3000 || c.part.Difference(0) != c.differ || c.part.Difference(1) != c.differ {
			t.Errorf("%s differs by %v to %v in %d pairs, want %v in 3000",
				name, c.part.Difference(0), c.part.Difference(1), c.part.Measured(), c.differ)
		}
	}
}

func TestEachFaultIsNoticed(t *testing.T) {
	const n = 1000 // waits of each goroutine
	middle := 3 * n / 2
	for _, c := range []struct {
		name                               string
		spoil                              func([]wait.Wait) []wait.Wait
		pairs, missing, extra, wrongReason int
	}{
		{"one dropped", func(w []wait.Wait) []wait.Wait { return slices.Delete(w, middle, middle+1) }, 3*n - 1, 1, 0, 0},
		{"one doubled", func(w []wait.Wait) []wait.Wait { return slices.Insert(w, middle, w[middle]) }, 3 * n, 0, 1, 0},
		{"one much too late", func(w []wait.Wait) []wait.Wait { w[middle].Start += int64(time.Second); return w }, 3*n - 1, 1, 0, 0},
		{"one of another goroutine", func(w []wait.Wait) []wait.Wait { w[middle].Goid = 99; return w }, 3*n - 1, 1, 1, 0},
		{"one without a goroutine", func(w []wait.Wait) []wait.Wait { w[middle].Goid = 0; return w }, 3*n - 1, 1, 1, 0},
		{"two run together", func(w []wait.Wait) []wait.Wait {
			w[middle].Total += 8 * time.Microsecond
			return slices.Delete(w, middle+3, middle+4)
		}, 3*n - 1, 1, 0, 0},
		{"one cut in two", func(w []wait.Wait) []wait.Wait {
			second := w[middle]
			w[middle].Total = 2 * time.Microsecond
			second.Start += 3000
			second.Total -= 3 * time.Microsecond
			return slices.Insert(w, middle+3, second)
		}, 3 * n, 0, 1, 0},
		{"one open", func(w []wait.Wait) []wait.Wait { w[middle].Kind = wait.KindOpen; return w }, 3*n - 1, 1, 0, 0},
		{"all of one goroutine dropped", func(w []wait.Wait) []wait.Wait {
			return slices.DeleteFunc(w, func(w wait.Wait) bool { return w.Goid == 2 })
		}, 2 * n, n, 0, 0},
		{"nothing recorded", func([]wait.Wait) []wait.Wait { return nil }, 0, 3 * n, 0, 0},
		{"out of order", func(w []wait.Wait) []wait.Wait { slices.Reverse(w); return w }, 3 * n, 0, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			traced := pingPong(n)
			r := match(traced, c.spoil(recorded(traced)))
			if len(r.Pairs) != c.pairs || len(r.Missing) != c.missing || len(r.Extra) != c.extra || len(r.WrongReason) != c.wrongReason {
				t.Errorf("want %d pairs, %d missing, %d extra, %d wrong; got\n%v", c.pairs, c.missing, c.extra, c.wrongReason, r)
			}
		})
	}
}

// The neighbours of a dropped wait must keep their partners, or the parts
// would be compared between strangers.
func TestADroppedWaitDoesNotShiftTheOthers(t *testing.T) {
	traced := pingPong(1000)
	for i := range traced.Waits {
		traced.Waits[i].Running += int64(i % 7)
	}
	ours := recorded(traced)
	r := match(traced, slices.Delete(ours, 1500, 1510))
	if low, high := r.Total.Difference(0), r.Total.Difference(1); low != 300 || high != 300 {
		t.Errorf("totals of the pairs differ by %v to %v, want 300ns each\n%v", low, high, r)
	}
}

func TestAClockThatIsSomewhatOffStillPairsRightly(t *testing.T) {
	traced := pingPong(1000)
	ours := recorded(traced)
	for i := range ours {
		ours[i].Start += 2000
	}
	ours = slices.Delete(ours, 1500, 1501)
	r := match(traced, ours)
	if len(r.Pairs) != 2999 || len(r.Missing) != 1 || len(r.Extra) != 0 {
		t.Errorf("want 2999 pairs and 1 missing, got\n%v", r)
	}
	if dropped := traced.Waits[1500]; len(r.Missing) == 1 && r.Missing[0].Park != dropped.Park {
		t.Errorf("missing is the wait of %d, want that of %d", r.Missing[0].Park, dropped.Park)
	}
}

// squeeze moves what goroutine 1 to 3 did from the first wait to the last behind
// a late stamp: the resume of the first.
func squeeze(t *Trace, first, last int) {
	late := t.Waits[last+3].Park - 10_000
	for i := first; i <= last; i++ {
		w := &t.Waits[i]
		if i > first {
			w.Park, w.Runnable = late+1, late+2
			late += 2
		}
		late++
		w.Running, w.Squeezed = late, true
	}
}

// A wait that the trace lacks, since it was over when the trace began, must not move
// the others.
func TestWaitsInOrderAreMatchedByReason(t *testing.T) {
	traced := pingPong(10)
	ours := recorded(traced)
	before := ours[0]
	before.Reason = "chan receive"
	squeeze(traced, 0, 5)
	r := Match(traced, append([]wait.Wait{before}, ours...), Options{Reasons: ProgramReasons(), Tolerance: tolerance, WallClock: wallClock})
	if len(r.Pairs) != len(ours) || len(r.WrongReason) != 0 {
		t.Errorf("want %d pairs of one reason, got\n%v", len(ours), r)
	}
}

func TestWaitsWithoutTimesOfTheirOwnAreMatchedInOrder(t *testing.T) {
	const n = 1000
	for _, c := range []struct {
		name                  string
		spoil                 func([]wait.Wait) []wait.Wait
		pairs, missing, extra int
	}{
		{"all there", func(w []wait.Wait) []wait.Wait { return w }, 3 * n, 0, 0},
		{"one dropped", func(w []wait.Wait) []wait.Wait { return slices.Delete(w, 1500, 1501) }, 3*n - 1, 1, 0},
		{"one doubled", func(w []wait.Wait) []wait.Wait { return slices.Insert(w, 1500, w[1500]) }, 3 * n, 0, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			traced := pingPong(n)
			ours := c.spoil(recorded(traced))
			squeeze(traced, 1200, 1799)
			r := match(traced, ours)
			if len(r.Pairs) != c.pairs || len(r.Missing) != c.missing || len(r.Extra) != c.extra {
				t.Errorf("want %d pairs, %d missing, %d extra; got\n%v", c.pairs, c.missing, c.extra, r)
			}
			if off := r.Total.OffWhole(); off != 0.06 || r.Total.Torn < 590 {
				t.Errorf("%d pairs set aside, the others off by %.3f; want some 600, and 0.06", r.Total.Torn, off)
			}
		})
	}
}

func TestTimesThatAreMadeUpAreFound(t *testing.T) {
	const unit = int64(clockUnit)
	s := newStamps(26)
	for _, event := range []struct {
		at     int64
		thread trace.ThreadID
	}{
		{1000 * unit, 1}, {1000*unit + 1, 2}, {1000*unit + 2, 3}, // three in one unit
		{1001 * unit, 2}, {2000 * unit, 1}, // the latter too late
		{2000*unit + 1, 2}, {2000*unit + 2, 3}, {2000*unit + 3, 2}, {2001 * unit, 2}, {2002 * unit, 3},
	} {
		s.add(event.at, event.thread)
	}
	for at, want := range map[int64]bool{
		1000 * unit: false, 1000*unit + 1: false, 1001 * unit: false,
		2000 * unit: true, 2000*unit + 1: true, 2000*unit + 3: true, 2001 * unit: false,
	} {
		if s.squeezed(at) != want {
			t.Errorf("%d is made up: %v, want %v", at, !want, want)
		}
	}
}

func TestATimeThatIsMadeUpMayBeAMultipleOfTheUnit(t *testing.T) {
	const unit = int64(clockUnit)
	s := newStamps(26)
	s.add(1000*unit, 1)
	s.add(2000*unit, 2) // too late
	const last = 2003*unit + 5
	for at := 2000*unit + 1; at <= last; at++ {
		s.add(at, 1)
	}
	s.add(2004*unit, 1)
	for at := 2000 * unit; at <= last; at++ {
		if !s.squeezed(at) {
			t.Errorf("%d is not found to be made up", at)
		}
	}
	if s.squeezed(2004*unit) || s.squeezed(1000*unit) {
		t.Error("a stamp is taken for made up")
	}
}

// The program waits for the tracer to start, which has written something already,
// and to stop, while one of its threads is late: the trace's last times are those of
// that thread's stamp. It has neither wait.
func TestATraceIsAsLongAsItsMarksSay(t *testing.T) {
	traced := pingPong(2000)
	started := traced.Start
	stopped := traced.Waits[len(traced.Waits)-1].Running + int64(time.Microsecond)
	traced.Start = started - int64(10*time.Millisecond)
	traced.End = stopped + int64(10*time.Millisecond)
	marks := []mark{{trace: started, monotonic: started}, {trace: traced.End, monotonic: stopped}}
	ours := recorded(traced)
	for _, at := range []int64{started - int64(7*time.Millisecond), stopped} {
		ours = append(ours, wait.Wait{
			Kind: wait.KindWait, Goid: 1, Reason: "IO wait", Start: at + wallClock, Total: 6 * time.Millisecond,
		})
	}
	if r := match(traced, ours); len(r.Extra) != 2 {
		t.Errorf("want 2 extra without marks, got\n%v", r)
	}
	half := *traced
	half.boundByMarks(marks[:1])
	if half.Start != started || half.End != traced.End {
		t.Errorf("a mark at the beginning made the trace last from %d to %d", half.Start, half.End)
	}
	traced.boundByMarks(marks)
	if r := match(traced, ours); len(r.Extra) != 0 || len(r.Pairs) != 6000 {
		t.Errorf("want 6000 pairs and nothing extra, got\n%v", r)
	}
}

func TestWhatTheRecordingCannotHaveSeenIsLeftOut(t *testing.T) {
	traced := pingPong(1000)
	since, until := traced.Waits[300].Park, traced.Waits[2700].Park
	ours := slices.DeleteFunc(recorded(traced), func(w wait.Wait) bool {
		park := w.Start - wallClock
		return park < since || park+int64(w.Total) > until
	})
	r := Match(traced, ours, Options{
		Reasons: NetworkReasons(), Tolerance: tolerance, WallClock: wallClock, Since: since, Until: until,
	})
	if len(r.Missing) != 0 || len(r.Extra) != 0 || r.Edge == 0 || len(r.Pairs) < 2390 {
		t.Errorf("want nothing missing and some waits at the edges, got\n%v", r)
	}
}

func TestOtherReasonsAreNotJudged(t *testing.T) {
	traced := pingPong(10)
	ours := recorded(traced)
	for i := range traced.Waits[:6] {
		traced.Waits[i].Reason = "sleep"
		ours[i].Reason = "sleep"
	}
	if r := match(traced, ours); len(r.Pairs) != 24 || r.Matched() != 1 || r.Skipped["sleep"] != 6 {
		t.Errorf("want 24 pairs and 6 skipped, got %v and\n%v", r.Skipped, r)
	}
}

func TestReasonsMustAgree(t *testing.T) {
	traced := pingPong(10)
	ours := recorded(traced)
	ours[7].Reason = "chan receive"
	r := Match(traced, ours, Options{Reasons: ProgramReasons(), Tolerance: tolerance, WallClock: wallClock})
	if len(r.Pairs) != 30 || len(r.WrongReason) != 1 {
		t.Errorf("want 30 pairs, one with a wrong reason, got\n%v", r)
	}
}

func TestAPartThatWasNotMeasuredIsNotCompared(t *testing.T) {
	traced := pingPong(10)
	ours := recorded(traced)
	for i := range ours {
		ours[i].Netpoll, ours[i].Sched = wait.Unmeasured, wait.Unmeasured
	}
	r := match(traced, ours)
	if r.Until.Measured() != 0 || r.Sched.Measured() != 0 || r.Total.Measured() != 30 {
		t.Errorf("got\n%v", r)
	}
}

func TestPairsThatWereTornApartAreSetAside(t *testing.T) {
	traced := pingPong(1000)
	ours := recorded(traced)
	for _, i := range []int{7, 900} {
		ours[i].Total += 400 * time.Microsecond
	}
	total := match(traced, ours).Total
	if total.Torn != 2 || total.OffWhole() != 0.06 || total.Off() < 0.1 {
		t.Errorf("%d were torn apart; off by %.3f with them and %.3f without; want 2, more than 0.1, and 0.06",
			total.Torn, total.Off(), total.OffWhole())
	}
}

func TestTheSummaryNamesWhatIsMissing(t *testing.T) {
	traced := pingPong(10)
	traced.Waits[4].Frames = []wait.Frame{{Func: "net.(*conn).Read"}, {Func: "main.ask"}}
	summary := match(traced, slices.Delete(recorded(traced), 4, 5)).String()
	for _, want := range []string{"29 waits matched (96.667 %), 1 missing", "net.(*conn).Read < main.ask"} {
		if !strings.Contains(summary, want) {
			t.Errorf("summary lacks %q:\n%s", want, summary)
		}
	}
}
