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

	throttledMaxProcesses = 1000 // whose limits are kept
)

// cpuThrottled looks for a CPU limit that kept a program from running. The
// figures come with events: [wait.EventThrottled] says what a cgroup's
// cpu.stat counted in an interval, [wait.EventCPU] the limit and GOMAXPROCS.
type cpuThrottled struct {
	cgroups map[cgroup]*throttling
	cpus    map[wait.Process]wait.CPU // the latest of each process
	late    time.Duration
}

// cgroup is a cgroup as a process's events tell of it. Two processes in one
// cgroup both do, with the same figures.
type cgroup struct {
	process wait.Process
	path    string
}

// throttling is what one cgroup went through.
type throttling struct {
	cpu       wait.CPU // of the process
	periods   uint64
	throttled uint64
	time      time.Duration
	quota     float64
}

func newCPUThrottled() *cpuThrottled {
	return &cpuThrottled{cgroups: map[cgroup]*throttling{}, cpus: map[wait.Process]wait.CPU{}}
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
	var process wait.Process
	if e.Process != nil {
		process = *e.Process
	}
	switch detail := e.Detail.(type) {
	case *wait.Throttling:
		if plausible(detail) {
			c.add(cgroup{process, detail.Cgroup}, throttling{
				periods: detail.Periods, throttled: detail.Throttled, time: detail.Time, quota: max(detail.Quota, 0),
			})
		}
	case *wait.CPU:
		c.limit(process, *detail)
	}
	return nil
}

// add adds what a cgroup went through, unless there are too many of them.
func (c *cpuThrottled) add(of cgroup, more throttling) {
	t, ok := c.cgroups[of]
	if !ok {
		if len(c.cgroups) == throttledMaxCgroups {
			return
		}
		t = &throttling{}
		c.cgroups[of] = t
	}
	t.periods += more.periods
	t.throttled += more.throttled
	t.time += more.time
	t.quota = cmp.Or(more.quota, t.quota)
}

// limit notes the limits of a process, unless there are too many of them.
func (c *cpuThrottled) limit(process wait.Process, cpu wait.CPU) {
	if _, known := c.cpus[process]; known || len(c.cpus) < throttledMaxProcesses {
		c.cpus[process] = cpu
	}
}

func (c *cpuThrottled) merge(other detector) {
	from := other.(*cpuThrottled)
	for of, theirs := range from.cgroups {
		c.add(of, *theirs)
	}
	for process, cpu := range from.cpus {
		c.limit(process, cpu)
	}
	c.late += from.late
}

// maxFigure bounds what an event can claim: it keeps sums of them in range.
const maxFigure = 1 << 53

// plausible tells whether the figures can be true. They come from a recording.
func plausible(t *wait.Throttling) bool {
	return t.Periods <= maxFigure && t.Throttled <= maxFigure && t.Time >= 0 && t.Time <= maxFigure
}

// gomaxprocs is what all processes have; 0 if they differ or it is not known.
func (c *cpuThrottled) gomaxprocs() int {
	common := 0
	for _, cpu := range c.cpus {
		if common != 0 && cpu.GOMAXPROCS != common {
			return 0
		}
		common = cpu.GOMAXPROCS
	}
	return common
}

func (c *cpuThrottled) answer() Answer {
	worst, ok := c.worst()
	switch {
	case !ok:
		return Answer{NotEnough: fmt.Sprintf("fewer than %d periods of a CPU limit were seen", throttledMinPeriods)}
	case !worst.matters():
		return Answer{}
	}
	return Answer{Findings: []report.Finding{c.finding(&worst)}}
}

// matter tells whether a CPU limit was hit often.
func (c *cpuThrottled) matter() bool {
	worst, ok := c.worst()
	return ok && worst.matters()
}

// worst is the cgroup that was stopped for longest, with the limits of its
// process; false if none was watched for long enough.
func (c *cpuThrottled) worst() (worst throttling, ok bool) {
	var of cgroup
	for candidate, t := range c.cgroups {
		if t.periods < throttledMinPeriods {
			continue
		}
		worse := cmp.Or(cmp.Compare(t.time, worst.time), cmp.Compare(t.throttled, worst.throttled),
			cmp.Compare(of.process.PID, candidate.process.PID), cmp.Compare(of.path, candidate.path))
		if !ok || worse > 0 {
			worst, of, ok = *t, candidate, true
		}
	}
	worst.cpu = c.cpus[of.process]
	if worst.quota == 0 {
		worst.quota = max(worst.cpu.Quota, 0)
	}
	return worst, ok
}

func (t *throttling) matters() bool {
	return float64(t.throttled) >= throttledShare*float64(t.periods)
}

func (c *cpuThrottled) finding(t *throttling) report.Finding {
	first := fmt.Sprintf("%s of %s periods.", report.FormatCount(t.throttled), report.FormatCount(t.periods))
	if limits := t.limits(); limits != "" {
		first += " " + limits
	}
	second := ""
	if c.late > 0 {
		second = report.FormatDuration(c.late) + ": data was ready, the goroutine was not scheduled. "
	}
	return report.Finding{
		ID: "cpu_throttled", Title: "CPU throttled", Severity: report.SeverityWarning,
		Sentences: []string{first, second + t.advice()},
		Numbers: map[string]float64{
			"periods": float64(t.periods), "throttled": float64(t.throttled), "throttled_ns": float64(t.time),
			"late_ns": float64(c.late), "quota_cpus": t.quota, "gomaxprocs": float64(t.cpu.GOMAXPROCS),
		},
	}
}

func (t *throttling) limits() string {
	var parts []string
	switch {
	case t.quota == 1:
		parts = append(parts, "Limit 1 CPU")
	case t.quota > 0:
		parts = append(parts, "Limit "+strconv.FormatFloat(t.quota, 'g', 6, 64)+" CPUs")
	}
	if t.cpu.GOMAXPROCS > 0 {
		parts = append(parts, fmt.Sprintf("GOMAXPROCS %d", t.cpu.GOMAXPROCS))
	}
	if len(parts) == 0 {
		return ""
	}
	return strings.Join(parts, ", ") + "."
}

// advice tells what to do. A GOMAXPROCS above the limit lets the program use up
// its period early; one that fits leaves only the limit.
func (t *throttling) advice() string {
	fitting := max(1, int(math.Ceil(t.quota)))
	if t.quota > 0 && t.cpu.GOMAXPROCS > fitting {
		return fmt.Sprintf("Set GOMAXPROCS=%d or raise the limit.", fitting)
	}
	return "Raise the limit."
}
