package main

import (
	"fmt"
	"io"
	"time"

	"github.com/netpolltrace/netpolltrace/session"
)

// liveLine is the line on stderr that says how a recording is getting on. On a
// terminal it is written over itself; elsewhere only warnings are printed.
type liveLine struct {
	out      io.Writer
	terminal bool
	warned   bool
	width    int // of what stands there now
}

func (l *liveLine) show(p session.Progress) {
	if p.OverBudget && !l.warned {
		l.warned = true
		l.say(fmt.Sprintf("warning: the probes cost the target %.1f %% of its CPU time, more than --max-overhead allows", 100*p.Overhead))
	}
	if !l.terminal {
		return
	}
	line := fmt.Sprintf("%4.0f s  %8.0f waits/s  %d lost  probe cost %s",
		p.Elapsed.Round(time.Second).Seconds(), p.PerSecond, p.Lost, percent(p.Overhead))
	fmt.Fprintf(l.out, "\r%-*s", l.width, line)
	l.width = len(line)
}

// say prints a line of its own.
func (l *liveLine) say(text string) {
	l.clear()
	fmt.Fprintln(l.out, "netpolltrace:", text)
}

func (l *liveLine) clear() {
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
