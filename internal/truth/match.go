package truth

import (
	"cmp"
	"math"
	"slices"
	"sort"
	"time"

	"github.com/netpolltrace/netpolltrace/wait"
)

// Options say which waits are judged.
type Options struct {
	// Reasons are the trace's reasons that the recording can see:
	// [NetworkReasons] or [ProgramReasons].
	Reasons []string
	// TornBeyond is by how much the two sides of a pair may differ before the system
	// is taken to have run something else between the two stamps, ours and the
	// trace's: they are taken a microsecond apart. It says nothing about either.
	TornBeyond time.Duration
	// Preempted is how often a thread of the program lost its processor to another
	// during the recording. Each time may have torn a pair apart.
	Preempted int
	// Tolerance is by how much a wait of ours may lie beside the one of the
	// trace and still be the same. It only matters where the two do not overlap.
	Tolerance time.Duration
	// WallClock is the wall clock minus CLOCK_MONOTONIC, in nanoseconds, as the
	// recording has it: [WallClock].
	WallClock int64
	// Since and Until bound what the recording can have seen, by CLOCK_MONOTONIC
	// in nanoseconds. Zero means that it was there for the whole trace.
	Since, Until int64
}

// WallClock is [Options.WallClock] for a recording.
func WallClock(meta wait.Meta) int64 {
	return meta.Started.UnixNano() - meta.ClockBase
}

// Pair is a wait of the trace and the same one of the recording.
type Pair struct {
	Trace Wait
	Ours  wait.Wait
}

// Match matches the waits of a trace one to one with those of a recording, by
// goroutine and time.
//
// A goroutine's waits never overlap each other, so two of them that overlap
// most are the same wait. Judged is what lies between the later of the two
// beginnings and the earlier of the two ends as a whole, for a pair by the
// trace's times. A wait without a partner that comes within Tolerance of either
// bound might have its partner beyond: it is left out, and counted in
// [Result.Edge]. Open waits and those that began before the recording are left
// out as well.
//
// Where the trace's times are made up ([Wait.Squeezed]) nothing need overlap.
// There a goroutine's waits are matched in their order, between those that are
// sure.
func Match(t *Trace, ours []wait.Wait, options Options) *Result {
	m := matcher{
		options: options,
		since:   max(t.Start, options.Since),
		until:   t.End,
		result:  newResult(t, options),
	}
	if options.Until != 0 {
		m.until = min(m.until, options.Until)
	}
	traced, recorded := m.byGoroutine(t.Waits), m.oursByGoroutine(ours)
	for goid, waits := range traced {
		m.goroutine(waits, recorded[goid])
	}
	for goid, waits := range recorded {
		if _, ok := traced[goid]; !ok {
			m.goroutine(nil, waits)
		}
	}
	return m.result
}

// span is the time of a wait, by CLOCK_MONOTONIC in nanoseconds.
type span struct{ from, to int64 }

// overlap is negative when the spans are apart: then it is the gap.
func (s span) overlap(other span) int64 {
	return min(s.to, other.to) - max(s.from, other.from)
}

// timed is a wait with its span, so that both sides are walked alike.
type timed[W any] struct {
	span
	wait *W
}

type matcher struct {
	options      Options
	since, until int64
	result       *Result
}

func (m *matcher) byGoroutine(waits []Wait) map[uint64][]timed[Wait] {
	grouped := make(map[uint64][]timed[Wait])
	for i := range waits {
		w := &waits[i]
		if slices.Contains(m.options.Reasons, w.Reason) {
			grouped[w.Goid] = append(grouped[w.Goid], timed[Wait]{span{w.Park, w.Running}, w})
		}
	}
	return grouped
}

func (m *matcher) oursByGoroutine(waits []wait.Wait) map[uint64][]timed[wait.Wait] {
	grouped := make(map[uint64][]timed[wait.Wait])
	for i := range waits {
		w := &waits[i]
		if w.Kind != wait.KindWait || w.StartedBefore {
			continue
		}
		if !slices.Contains(m.options.Reasons, traceReasons[w.Reason]) {
			m.result.Skipped[w.Reason]++
			continue
		}
		park := w.Start - m.options.WallClock
		grouped[w.Goid] = append(grouped[w.Goid], timed[wait.Wait]{span{park, park + int64(w.Total)}, w})
	}
	for _, waits := range grouped {
		slices.SortStableFunc(waits, func(a, b timed[wait.Wait]) int { return cmp.Compare(a.from, b.from) })
	}
	return grouped
}

// goroutine walks the waits of one goroutine on both sides, in order of time.
func (m *matcher) goroutine(traced []timed[Wait], recorded []timed[wait.Wait]) {
	for len(traced) > 0 && len(recorded) > 0 {
		if n := leadingSqueezed(traced); n > 0 {
			k := recordedBefore(recorded, traced, n)
			m.inOrder(traced[:n], recorded[:k])
			traced, recorded = traced[n:], recorded[k:]
			continue
		}
		t, r := traced[0], recorded[0]
		here := t.overlap(r.span)
		switch {
		case overlapWithNext(traced, r.span) > here:
			m.missing(t)
			traced = traced[1:]
		case overlapWithNext(recorded, t.span) > here:
			m.extra(r)
			recorded = recorded[1:]
		case here >= -int64(m.options.Tolerance):
			m.pair(t, r)
			traced, recorded = traced[1:], recorded[1:]
		case t.from < r.from:
			m.missing(t)
			traced = traced[1:]
		default:
			m.extra(r)
			recorded = recorded[1:]
		}
	}
	for _, t := range traced {
		m.missing(t)
	}
	for _, r := range recorded {
		m.extra(r)
	}
}

// inOrder matches waits without times of their own. If one side has more, those of
// them are left out whose reasons do not agree, and the last.
func (m *matcher) inOrder(traced []timed[Wait], recorded []timed[wait.Wait]) {
	for len(traced) > 0 && len(recorded) > 0 {
		agree := sameReason(traced[0].wait, recorded[0].wait)
		switch {
		case !agree && len(recorded) > len(traced):
			m.extra(recorded[0])
			recorded = recorded[1:]
		case !agree && len(traced) > len(recorded):
			m.missing(traced[0])
			traced = traced[1:]
		default:
			m.pair(traced[0], recorded[0])
			traced, recorded = traced[1:], recorded[1:]
		}
	}
	for _, t := range traced {
		m.missing(t)
	}
	for _, r := range recorded {
		m.extra(r)
	}
}

// leadingSqueezed counts the waits before the first whose times are sure.
func leadingSqueezed(traced []timed[Wait]) int {
	for i, t := range traced {
		if !t.wait.Squeezed {
			return i
		}
	}
	return len(traced)
}

// recordedBefore counts the recorded waits before the one that fits traced[n],
// which is sure.
func recordedBefore(recorded []timed[wait.Wait], traced []timed[Wait], n int) int {
	if n == len(traced) { // they are the goroutine's last; none was moved ahead
		end := traced[n-1].to
		return sort.Search(len(recorded), func(i int) bool { return recorded[i].from > end })
	}
	sure := traced[n].span
	for i, r := range recorded {
		if r.from > sure.to {
			return i
		}
		if here := sure.overlap(r.span); here > 0 && here >= overlapWithNext(recorded[i:], sure) {
			return i
		}
	}
	return len(recorded)
}

// overlapWithNext is how well the second of the waits fits.
func overlapWithNext[W any](waits []timed[W], other span) int64 {
	if len(waits) < 2 {
		return math.MinInt64
	}
	return waits[1].overlap(other)
}

func (m *matcher) pair(t timed[Wait], r timed[wait.Wait]) {
	if !m.within(t.span, 0) {
		m.result.Edge++
		return
	}
	m.result.addPair(Pair{Trace: *t.wait, Ours: *r.wait})
}

func (m *matcher) missing(t timed[Wait]) {
	switch {
	case m.within(t.span, m.options.Tolerance):
		m.result.Missing = append(m.result.Missing, *t.wait)
	case m.within(t.span, 0):
		m.result.Edge++
	}
}

func (m *matcher) extra(r timed[wait.Wait]) {
	switch {
	case m.within(r.span, m.options.Tolerance):
		m.result.Extra = append(m.result.Extra, *r.wait)
	case m.within(r.span, 0):
		m.result.Edge++
	}
}

func (m *matcher) within(s span, margin time.Duration) bool {
	return s.from >= m.since+int64(margin) && s.to <= m.until-int64(margin)
}
