package process

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/netpolltrace/netpolltrace/wait"
)

// WatchConfig is what a [Watch] needs to know besides the process.
type WatchConfig struct {
	Process    *wait.Process // goes into the events
	GOMAXPROCS int           // 0 if it is not known
	Interval   time.Duration // between readings; 0 for a second
}

// Watch tells how much CPU the host lets a process have. It is a [wait.Source]
// of events: for each interval one EventCPU, one EventRunDelay, and one
// EventThrottled for each of the process's cgroups, ancestors included, that
// has a limit, also when the limit was not hit.
//
// Figures that are not known are left out, and events that the host has no
// figures for.
type Watch struct {
	process *Process
	config  WatchConfig
}

// Watch makes a watch of the process. It works until p is closed.
func (p *Process) Watch(config WatchConfig) *Watch {
	if config.Interval <= 0 {
		config.Interval = time.Second
	}
	return &Watch{process: p, config: config}
}

// Run reads the figures each interval until the context ends, and then once
// more for the last, shorter interval. What cannot be read is left out: the
// process may exit at any time, and its cgroup with it. The error is the
// sink's.
func (w *Watch) Run(ctx context.Context, sink wait.Sink) error {
	ticks := time.NewTicker(w.config.Interval)
	defer ticks.Stop()
	last := w.read()
	for done := false; !done; {
		select {
		case <-ctx.Done():
			done = true
		case <-ticks.C:
		}
		now := w.read()
		for _, event := range w.events(last, now) {
			if err := sink.Event(&event); err != nil {
				return err
			}
		}
		last = now
	}
	return nil
}

// reading is the host's figures at one moment.
type reading struct {
	At      time.Time
	CPU     time.Duration // used by the process so far; Unmeasured if not known
	Threads map[int]threadTime
	Limits  []cpuLimit
	Online  int // CPUs of the machine; 0 if not known
	Allowed int // CPUs that the process may run on
}

// threadTime is what the scheduler counts of a thread.
type threadTime struct {
	Run   time.Duration // on a CPU
	Delay time.Duration // runnable, without a CPU
}

func (w *Watch) read() reading {
	p := w.process
	r := reading{At: time.Now(), CPU: wait.Unmeasured, Threads: make(map[int]threadTime)}
	if cpu, err := p.CPUTime(); err == nil {
		r.CPU = cpu
	}
	if tids, err := p.Threads(); err == nil {
		for _, tid := range tids {
			if t, err := p.threadTime(tid); err == nil {
				r.Threads[tid] = t
			}
		}
	}
	r.Limits = p.cpuLimits()
	r.Online, _ = onlineCPUs()
	r.Allowed, _ = p.CPUs()
	return r
}

// CPUTime is the CPU time that the process used so far, that of threads that
// ended included.
func (p *Process) CPUTime() (time.Duration, error) {
	// The clock of another process: MAKE_PROCESS_CPUCLOCK(pid, CPUCLOCK_SCHED)
	// of linux/posix-timers_types.h, as clock_getcpuclockid(3) makes it.
	const clockSched = 2
	var ts unix.Timespec
	if err := unix.ClockGettime(^int32(p.PID)<<3|clockSched, &ts); err != nil {
		return 0, p.explain("reading the CPU time", err)
	}
	return time.Duration(ts.Nano()), nil
}

func (p *Process) threadTime(tid int) (threadTime, error) {
	text, err := os.ReadFile(procPath(p.PID, "task/"+strconv.Itoa(tid)+"/schedstat"))
	if err != nil {
		return threadTime{}, err
	}
	return parseSchedstat(string(text))
}

// parseSchedstat parses a thread's schedstat: the time on a CPU, the time
// runnable without one, both in nanoseconds, and a count; see the kernel's
// Documentation/scheduler/sched-stats.rst.
func parseSchedstat(text string) (threadTime, error) {
	fields := strings.Fields(text)
	if len(fields) < 2 {
		return threadTime{}, fmt.Errorf("%d fields", len(fields))
	}
	run, err := strconv.ParseUint(fields[0], 10, 63)
	if err != nil {
		return threadTime{}, err
	}
	delay, err := strconv.ParseUint(fields[1], 10, 63)
	if err != nil {
		return threadTime{}, err
	}
	return threadTime{Run: time.Duration(run), Delay: time.Duration(delay)}, nil
}

// cpuLimits reads the limits of the process's cgroup and of all above it. The
// group is looked up anew each time, since processes are moved.
func (p *Process) cpuLimits() []cpuLimit {
	groups, err := p.Cgroups()
	if err != nil {
		return nil
	}
	own, ok := cpuCgroup(groups)
	if !ok {
		return nil
	}
	var limits []cpuLimit
	for _, g := range own.withAncestors() {
		if limit, ok := readCPULimit(g); ok {
			limits = append(limits, limit)
		}
	}
	return limits
}

// CPUQuota is the number of CPUs that the process's cgroup and those above it
// let it use; 0 if there is no limit.
func (p *Process) CPUQuota() float64 { return leastQuota(p.cpuLimits()) }

func leastQuota(limits []cpuLimit) float64 {
	least := 0.0
	for _, l := range limits {
		if least == 0 || l.Quota < least {
			least = l.Quota
		}
	}
	return least
}

// events is what happened between two readings.
func (w *Watch) events(from, to reading) []wait.Event {
	interval := to.At.Sub(from.At)
	events := w.throttling(from, to, interval)
	if delay, ok := runDelay(from.Threads, to.Threads); ok {
		events = append(events, wait.Event{
			Kind: wait.EventRunDelay, Duration: delay, Count: uint64(len(to.Threads)),
			Detail: &wait.RunDelay{Interval: interval},
		})
	}
	if from.CPU != wait.Unmeasured && to.CPU != wait.Unmeasured {
		events = append(events, wait.Event{
			Kind: wait.EventCPU, Duration: to.CPU - from.CPU, Count: 1,
			Detail: &wait.CPU{
				Interval: interval, GOMAXPROCS: w.config.GOMAXPROCS, Quota: leastQuota(to.Limits),
				Online: to.Online, Allowed: to.Allowed,
			},
		})
	}
	for i := range events {
		events[i].Start = from.At.UnixNano()
		events[i].Process = w.config.Process
	}
	return events
}

// throttling is one event for each limit that holds at both readings. A group
// whose counters went back is another one of the same name.
func (w *Watch) throttling(from, to reading, interval time.Duration) []wait.Event {
	var events []wait.Event
	for _, now := range to.Limits {
		i := slices.IndexFunc(from.Limits, func(l cpuLimit) bool { return l.Path == now.Path })
		if i < 0 {
			continue
		}
		before := from.Limits[i]
		if now.Periods < before.Periods || now.Throttled < before.Throttled || now.ThrottledTime < before.ThrottledTime {
			continue
		}
		throttled := now.Throttled - before.Throttled
		events = append(events, wait.Event{
			Kind: wait.EventThrottled, Duration: interval, Count: throttled,
			Detail: &wait.Throttling{
				Cgroup: path.Clean(now.Path), Periods: now.Periods - before.Periods, Throttled: throttled,
				Time: now.ThrottledTime - before.ThrottledTime, Quota: now.Quota,
			},
		})
	}
	return events
}

// runDelay is how long threads waited for a CPU between two readings. It is
// not known on a kernel that does not count it: there all is 0, also the time
// on a CPU.
func runDelay(from, to map[int]threadTime) (time.Duration, bool) {
	known := slices.ContainsFunc(slices.Collect(maps.Values(to)), func(t threadTime) bool { return t.Run > 0 })
	var sum time.Duration
	for tid, now := range to {
		before := from[tid]
		if now.Delay < before.Delay { // another thread with the same ID
			before = threadTime{}
		}
		sum += now.Delay - before.Delay
	}
	return sum, known
}
