package session_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/netpolltrace/netpolltrace/findings"
	"github.com/netpolltrace/netpolltrace/process"
	"github.com/netpolltrace/netpolltrace/session"
	"github.com/netpolltrace/netpolltrace/wait"
)

// limitedCgroup makes a cgroup whose processes get a fifth of a CPU together,
// and returns its directory.
func limitedCgroup(t *testing.T) string {
	t.Helper()
	self, err := process.Open(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	defer self.Close()
	groups, err := self.Cgroups()
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range groups {
		file, limit := "cpu.max", "20000 100000"
		if len(g.Controllers) > 0 {
			if !slices.Contains(g.Controllers, "cpu") {
				continue
			}
			file, limit = "cpu.cfs_quota_us", "20000"
		}
		dir := filepath.Join(g.Dir, fmt.Sprintf("netpolltrace-session-%d", os.Getpid()))
		if g.Dir == "" || os.Mkdir(dir, 0o755) != nil {
			continue
		}
		t.Cleanup(func() { os.Remove(dir) })
		if os.WriteFile(filepath.Join(dir, file), []byte(limit), 0o644) == nil {
			return dir
		}
	}
	t.Skip("no cgroup with the cpu controller can be made here")
	return ""
}

func TestACPULimitIsSeenAndFound(t *testing.T) {
	t.Parallel()
	dir := limitedCgroup(t)
	program := launch(t, "echo")
	if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(program.PID())), 0o644); err != nil {
		t.Fatal(err)
	}
	do(t, program, "begin")
	r := attach(t, program.PID(), settings{mode: wait.ModeIO})
	r.await(t, wait.EventThrottled, 12)
	r.end(t)
	do(t, program, "end")
	closes(t, program)

	collector, err := findings.NewCollector()
	if err != nil {
		t.Fatal(err)
	}
	var used, interval time.Duration
	for i := range r.Events {
		e := &r.Events[i]
		if err := collector.Event(e); err != nil {
			t.Fatal(err)
		}
		if e.Kind == wait.EventCPU {
			used += e.Duration
			cpu := e.Detail.(*wait.CPU)
			if cpu.Quota != 0.2 {
				t.Errorf("the CPU event says %+v, want a limit of 0.2", cpu)
			}
			interval += cpu.Interval
		}
	}
	// The kernel lets a group overdraw a little.
	if used == 0 || used > interval*3/10 {
		t.Errorf("the target used %v of CPU time in %v, its limit is a fifth", used, interval)
	}
	for i := range r.Waits {
		if err := collector.Wait(&r.Waits[i]); err != nil {
			t.Fatal(err)
		}
	}
	var titles []string
	for _, f := range collector.Findings() {
		titles = append(titles, f.Title)
	}
	if !slices.Contains(titles, "CPU throttled") {
		t.Errorf("the findings are %q, want one of the CPU limit", titles)
	}
}

func TestAProgramThatCostsTooMuchIsWarnedOf(t *testing.T) {
	t.Parallel()
	program := launch(t, "echo")
	do(t, program, "begin")
	over := make(chan session.Progress, 1)
	r := attach(t, program.PID(), settings{mode: wait.ModeIO, config: session.Config{MaxOverhead: 1e-6, Progress: func(p session.Progress) {
		if p.Processes[0].OverBudget {
			select {
			case over <- p:
			default:
			}
		}
	}}})
	p := <-over
	r.end(t)
	do(t, program, "end")
	closes(t, program)
	if p.Overhead <= 1e-6 || p.Delivered == 0 || p.Elapsed < 3*time.Second {
		t.Errorf("over budget: %+v", p)
	}
	var modes, costs int
	for _, e := range r.Events {
		switch e.Kind {
		case wait.EventMode:
			modes++
			if !strings.Contains(e.Note, "--max-overhead") {
				t.Errorf("the note is %q", e.Note)
			}
		case wait.EventOverhead:
			costs++
			if e.Count > 0 && e.Duration <= 0 {
				t.Errorf("%d hits cost %v", e.Count, e.Duration)
			}
		}
	}
	if modes != 1 || costs < 3 {
		t.Errorf("%d events of the mode, %d of the cost; want 1, and one a second", modes, costs)
	}
}

// A pooled connection is read before a request is sent on it: only from then
// on somebody waits. What a server reads is idle whole.
func TestAPooledConnectionIsIdleUntilItIsAsked(t *testing.T) {
	for _, mode := range []wait.Mode{wait.ModeIO, wait.ModeAll} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			program := launch(t, "pool")
			do(t, program, "run", "1", "1ms", "1ms") // the connection is made
			r := attach(t, program.PID(), settings{mode: mode})
			did := do(t, program, "run", "10", "30ms", "10ms")
			r.end(t)
			closes(t, program)
			r.complete(t)
			var asked, idle time.Duration
			for i := range r.Waits {
				w := &r.Waits[i]
				switch {
				case w.Op != wait.OpRead || w.Proto != "tcp" || w.Kind == wait.KindOpen:
				case w.Role == wait.RoleDialed:
					asked, idle = asked+w.Awaited(), idle+w.Idle
				case w.Outcome == wait.OutcomeReady && w.Idle != w.Network:
					t.Errorf("a server's read was idle for %v of %v", w.Idle, w.Network)
				}
			}
			pauses, answers := nanoseconds(t, did["pauses_ns"]), nanoseconds(t, did["answers_ns"])
			// A pause begins a little before the read that it makes longer.
			if idle < pauses*9/10 || asked < answers {
				t.Errorf("idle %v, awaited %v; want at least the pauses, %v, and the answers, %v", idle, asked, pauses, answers)
			}
		})
	}
}

func nanoseconds(t *testing.T, text string) time.Duration {
	t.Helper()
	ns, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return time.Duration(ns)
}
