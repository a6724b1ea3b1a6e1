package findings

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/netpolltrace/netpolltrace/report"
	"github.com/netpolltrace/netpolltrace/wait"
)

// When a CPU limit is reported.
const (
	throttledMinPeriods = 10   // one second, with the kernel's period of 100 ms
	throttledShare      = 0.05 // of the periods
	throttledMaxCgroups = 64   // that are kept apart
)

// cpuThrottled looks for a CPU limit that kept the program from running. The
// figures come with events: [wait.EventThrottled] says what a cgroup's
// cpu.stat counted in an interval, [wait.EventCPU] the limit and GOMAXPROCS.
type cpuThrottled struct {
	cgroups    map[string]*throttling
	quota      float64 // CPUs; 0 when there is no limit or it is not known
	gomaxprocs int     // 0 when not known
	late       time.Duration
}

// throttling is what one cgroup went through.
type throttling struct {
	periods   uint64
	throttled uint64
	time      time.Duration
	quota     float64
}

func newCPUThrottled() *cpuThrottled {
	return &cpuThrottled{cgroups: map[string]*throttling{}}
}

// Wait implements [wait.Sink]. It adds up the time for which data was ready and
// the goroutine was not scheduled.
func (c *cpuThrottled) Wait(w *wait.Wait) error {
	if w.Kind == wait.KindWait && w.Network >= 0 {
		c.late += lateness(w)
	}
	return nil
}

// lateness is the time after a wait's data was ready, whether or not its parts
// were told apart. The wait's network must be measured.
func lateness(w *wait.Wait) time.Duration { return max(0, w.Total-w.Network) }

// Event implements [wait.Sink].
func (c *cpuThrottled) Event(e *wait.Event) error {
	switch e.Kind {
	case wait.EventThrottled:
		c.throttled(words(e.Note))
	case wait.EventCPU:
		note := words(e.Note)
		if quota, ok := note.number("quota_cpus"); ok {
			c.quota = quota
		}
		if n, ok := note.number("gomaxprocs"); ok {
			c.gomaxprocs = int(n)
		}
	}
	return nil
}

func (c *cpuThrottled) throttled(note note) {
	periods, _ := note.number("periods")
	throttled, _ := note.number("throttled")
	nanoseconds, _ := note.number("throttled_ns")
	quota, _ := note.number("quota_cpus")
	c.add(note["cgroup"], throttling{
		periods: uint64(periods), throttled: uint64(throttled), time: time.Duration(nanoseconds), quota: quota,
	})
}

// add adds what a cgroup went through, unless there are too many of them.
func (c *cpuThrottled) add(cgroup string, more throttling) {
	t, ok := c.cgroups[cgroup]
	if !ok {
		if len(c.cgroups) == throttledMaxCgroups {
			return
		}
		t = &throttling{}
		c.cgroups[cgroup] = t
	}
	t.periods += more.periods
	t.throttled += more.throttled
	t.time += more.time
	t.quota = cmp.Or(more.quota, t.quota)
}

func (c *cpuThrottled) merge(other detector) {
	from := other.(*cpuThrottled)
	for cgroup, theirs := range from.cgroups {
		c.add(cgroup, *theirs)
	}
	c.quota = cmp.Or(from.quota, c.quota)
	c.gomaxprocs = cmp.Or(from.gomaxprocs, c.gomaxprocs)
	c.late += from.late
}

// note is the key=value words of an event.
type note map[string]string

func words(text string) note {
	n := note{}
	for word := range strings.FieldsSeq(text) {
		if key, value, ok := strings.Cut(word, "="); ok {
			n[key] = value
		}
	}
	return n
}

// maxNumber bounds what an event can claim: it keeps sums of them in range.
const maxNumber = 1 << 53

func (n note) number(key string) (float64, bool) {
	x, err := strconv.ParseFloat(n[key], 64)
	if err != nil || math.IsNaN(x) || x < 0 || x > maxNumber {
		return 0, false
	}
	return x, true
}

func (c *cpuThrottled) answer() Answer {
	worst := c.worst()
	switch {
	case worst == nil:
		return Answer{NotEnough: fmt.Sprintf("fewer than %d periods of a CPU limit were seen", throttledMinPeriods)}
	case !worst.matters():
		return Answer{}
	}
	return Answer{Findings: []report.Finding{c.finding(worst)}}
}

// worst is the cgroup that was stopped for longest, or nil if none was watched
// for long enough.
func (c *cpuThrottled) worst() *throttling {
	var worst *throttling
	for _, t := range c.cgroups {
		if t.periods >= throttledMinPeriods && (worst == nil || t.time > worst.time ||
			t.time == worst.time && t.throttled > worst.throttled) {
			worst = t
		}
	}
	return worst
}

func (t *throttling) matters() bool {
	return float64(t.throttled) >= throttledShare*float64(t.periods)
}

func (c *cpuThrottled) finding(t *throttling) report.Finding {
	quota := t.quota
	if quota == 0 {
		quota = c.quota
	}
	first := fmt.Sprintf("%s of %s periods.", report.FormatCount(t.throttled), report.FormatCount(t.periods))
	if limits := c.limits(quota); limits != "" {
		first += " " + limits
	}
	second := ""
	if c.late > 0 {
		second = report.FormatDuration(c.late) + ": data was ready, the goroutine was not scheduled. "
	}
	return report.Finding{
		ID: "cpu_throttled", Title: "CPU throttled", Severity: report.SeverityWarning,
		Sentences: []string{first, second + c.advice(quota)},
		Numbers: map[string]float64{
			"periods": float64(t.periods), "throttled": float64(t.throttled), "throttled_ns": float64(t.time),
			"late_ns": float64(c.late), "quota_cpus": quota, "gomaxprocs": float64(c.gomaxprocs),
		},
	}
}

func (c *cpuThrottled) limits(quota float64) string {
	var parts []string
	switch {
	case quota == 1:
		parts = append(parts, "Limit 1 CPU")
	case quota > 0:
		parts = append(parts, "Limit "+strconv.FormatFloat(quota, 'f', -1, 64)+" CPUs")
	}
	if c.gomaxprocs > 0 {
		parts = append(parts, fmt.Sprintf("GOMAXPROCS %d", c.gomaxprocs))
	}
	if len(parts) == 0 {
		return ""
	}
	return strings.Join(parts, ", ") + "."
}

// advice tells what to do. A GOMAXPROCS above the limit lets the program use up
// its period early; one that fits leaves only the limit.
func (c *cpuThrottled) advice(quota float64) string {
	fitting := max(1, int(math.Ceil(quota)))
	if quota > 0 && c.gomaxprocs > fitting {
		return fmt.Sprintf("Set GOMAXPROCS=%d or raise the limit.", fitting)
	}
	return "Raise the limit."
}
