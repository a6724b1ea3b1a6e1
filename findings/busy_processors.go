package findings

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/netpolltrace/netpolltrace/report"
	"github.com/netpolltrace/netpolltrace/wait"
)

// When a goroutine runs too late. On an idle machine it runs some tens of
// microseconds after its data came.
const (
	busyMinWaits = 30                   // at one line
	busyMedian   = 1 * time.Millisecond // late at least, for half of them
	busyShare    = 0.25                 // of the time that was awaited at the line
	busyMaxLines = 10_000               // that are kept
)

// busyProcessors looks for lines whose data was ready long before their
// goroutine ran, although no CPU limit stopped the program: all processors
// were busy with something else.
type busyProcessors struct {
	empty     report.Distribution
	throttled *cpuThrottled // a limit explains lateness better
	lines     map[string]*lineStats
	answers   uint64
}

type lineStats struct {
	name     string
	late     report.Distribution
	network  report.Distribution // without idle time
	lateTime time.Duration
	awaited  time.Duration
	netpoll  time.Duration
	sched    time.Duration
}

func newBusyProcessors(empty report.Distribution, throttled *cpuThrottled) *busyProcessors {
	return &busyProcessors{empty: empty, throttled: throttled, lines: map[string]*lineStats{}}
}

// Wait implements [wait.Sink].
func (b *busyProcessors) Wait(w *wait.Wait) error {
	if w.Kind != wait.KindWait || w.Network < 0 || w.Stack == nil {
		return nil
	}
	b.answers++
	stats, ok := b.lines[w.Stack.Line]
	if !ok {
		stats = b.add(w.Stack.Line, report.ShortLine(w.Stack.Func, w.Stack.Line))
	}
	if stats == nil {
		return nil
	}
	late := lateness(w)
	stats.late.Add(late, 1)
	stats.network.Add(max(0, w.Network-max(w.Idle, 0)), 1)
	stats.lateTime += late
	stats.awaited += w.Awaited()
	stats.netpoll += max(w.Netpoll, 0)
	stats.sched += max(w.Sched, 0)
	return nil
}

// Event implements [wait.Sink].
func (b *busyProcessors) Event(*wait.Event) error { return nil }

// add adds a line, unless there are too many.
func (b *busyProcessors) add(line, name string) *lineStats {
	if len(b.lines) == busyMaxLines {
		return nil
	}
	stats := &lineStats{name: name, late: b.empty, network: b.empty}
	b.lines[line] = stats
	return stats
}

func (b *busyProcessors) merge(other detector) {
	from := other.(*busyProcessors)
	b.answers += from.answers
	for line, theirs := range from.lines {
		stats, ok := b.lines[line]
		if !ok {
			stats = b.add(line, theirs.name)
		}
		if stats != nil {
			stats.merge(theirs)
		}
	}
}

func (l *lineStats) merge(other *lineStats) {
	l.late.Merge(&other.late)
	l.network.Merge(&other.network)
	l.lateTime += other.lateTime
	l.awaited += other.awaited
	l.netpoll += other.netpoll
	l.sched += other.sched
}

func (b *busyProcessors) answer() Answer {
	if b.answers < busyMinWaits {
		return Answer{NotEnough: fmt.Sprintf("fewer than %d waits with a measured network part", busyMinWaits)}
	}
	if b.throttled.matter() {
		return Answer{}
	}
	var late []*lineStats
	scratch := b.empty
	for _, l := range b.lines {
		if l.late.Count() >= busyMinWaits && float64(l.lateTime) >= busyShare*float64(l.awaited) &&
			median(&l.late, &scratch) >= busyMedian {
			late = append(late, l)
		}
	}
	if len(late) == 0 {
		return Answer{}
	}
	slices.SortFunc(late, func(x, y *lineStats) int {
		return cmp.Or(cmp.Compare(y.lateTime, x.lateTime), strings.Compare(x.name, y.name))
	})
	return Answer{Findings: []report.Finding{b.finding(late)}}
}

// finding speaks of the line that lost most, and counts the others.
func (b *busyProcessors) finding(late []*lineStats) report.Finding {
	l, scratch := late[0], b.empty
	p50, network := median(&l.late, &scratch), median(&l.network, &scratch)
	came := "data came" // a server's wait for a request has no network part
	if network > 0 {
		came = "data was ready after " + report.FormatDuration(network)
	}
	first := fmt.Sprintf("%s: %s, the goroutine ran %s later (p50).", l.name, came, report.FormatDuration(p50))
	if more := len(late) - 1; more > 0 {
		affected := "lines are"
		if more == 1 {
			affected = "line is"
		}
		first += fmt.Sprintf(" %d more %s affected.", more, affected)
	}
	var total time.Duration
	for _, l := range late {
		total += l.lateTime
	}
	second := report.FormatDuration(total) + ": data was ready, the goroutine was not scheduled."
	third := " Processors were busy: look for long computations in a CPU profile, or raise GOMAXPROCS."
	switch n := b.throttled.gomaxprocs(); {
	case n == 1:
		third = " The only processor (GOMAXPROCS 1) was busy: look for long computations in a CPU profile, or raise GOMAXPROCS."
	case n > 1:
		third = fmt.Sprintf(" All %d processors (GOMAXPROCS) were busy: look for long computations in a CPU profile, or raise it.", n)
	}
	return report.Finding{
		ID: "busy_processors", Title: "Busy processors", Severity: report.SeverityWarning, Subject: l.name,
		Sentences: []string{first, second + third},
		Numbers: map[string]float64{
			"lines": float64(len(late)), "waits": float64(l.late.Count()), "p50_ns": float64(p50),
			"network_p50_ns": float64(network), "late_ns": float64(total),
			"netpoll_ns": float64(l.netpoll), "sched_ns": float64(l.sched),
		},
	}
}
