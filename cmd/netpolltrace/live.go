package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/netpolltrace/netpolltrace/report/render"
	"github.com/netpolltrace/netpolltrace/session"
	"github.com/netpolltrace/netpolltrace/wait"
)

// liveLine is the line on stderr that says how a recording is getting on. On a
// terminal it is written over itself; elsewhere only warnings are printed. It is
// a [wait.Sink] of what the user should know at once. Its methods may be called
// concurrently.
type liveLine struct {
	mu       sync.Mutex
	out      io.Writer
	terminal bool
	warned   map[*wait.Process]bool // that the probes cost them too much
	joined   bool                   // some process did, after the start
	width    int                    // of what stands there now
}

func newLiveLine(out io.Writer, terminal bool) *liveLine {
	return &liveLine{out: out, terminal: terminal, warned: make(map[*wait.Process]bool)}
}

func (l *liveLine) show(p session.Progress) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, process := range p.Processes {
		l.warn(process)
	}
	if !l.terminal {
		return
	}
	line := fmt.Sprintf("%4.0f s%s  %8.0f waits/s  %d lost  probe cost %s",
		p.Elapsed.Round(time.Second).Seconds(), several(&p), p.PerSecond, p.Lost, cost(&p))
	fmt.Fprintf(l.out, "\r%-*s", l.width, line)
	l.width = len(line)
}

// warn says once of each process that it costs more than it may.
func (l *liveLine) warn(p session.ProcessProgress) {
	if !p.OverBudget || l.warned[p.Process] {
		return
	}
	l.warned[p.Process] = true
	l.print(fmt.Sprintf("warning: the probes cost process %d (%s) %.1f %% of its CPU time, more than --max-overhead allows",
		p.Process.PID, p.Process.Name, 100*p.Overhead))
}

// several is the number of processes if it is not one.
func several(p *session.Progress) string {
	if len(p.Processes) == 1 {
		return ""
	}
	return fmt.Sprintf("  %d processes", len(p.Processes))
}

// cost is the share of the CPU time that the probes take of all processes
// together, and of that of which they take most if there are several.
func cost(p *session.Progress) string {
	all := percent(p.Overhead)
	if len(p.Processes) < 2 || p.Overhead == session.NotKnown {
		return all
	}
	most := slices.MaxFunc(p.Processes, func(a, b session.ProcessProgress) int { return cmp.Compare(a.Overhead, b.Overhead) })
	return fmt.Sprintf("%s, %s of %d", all, percent(most.Overhead), most.Process.PID)
}

// Wait implements [wait.Sink].
func (l *liveLine) Wait(*wait.Wait) error { return nil }

// Event implements [wait.Sink]: an event about a process that joins or leaves has
// a detail, one about a child that is not recorded has none.
func (l *liveLine) Event(e *wait.Event) error {
	if change, ok := e.Detail.(*wait.TargetChange); ok {
		l.joined = l.joined || change.State == wait.TargetJoined
	}
	if e.Kind == wait.EventTarget && e.Detail == nil {
		l.say(e.Note)
	}
	return nil
}

// say prints a line of its own. Names in it may be a stranger's.
func (l *liveLine) say(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.print(text)
}

func (l *liveLine) print(text string) {
	l.erase()
	fmt.Fprintln(l.out, "netpolltrace:", render.Printable(text))
}

// clear leaves nothing of the line.
func (l *liveLine) clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.erase()
}

func (l *liveLine) erase() {
	if l.width > 0 {
		fmt.Fprintf(l.out, "\r%*s\r", l.width, "")
		l.width = 0
	}
}

func percent(share float64) string {
	if share < 0 {
		return "not known"
	}
	return fmt.Sprintf("%.1f %%", 100*share)
}
