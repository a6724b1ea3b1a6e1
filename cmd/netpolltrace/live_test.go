package main

import (
	"strings"
	"testing"
	"time"

	"github.com/netpolltrace/netpolltrace/session"
	"github.com/netpolltrace/netpolltrace/wait"
)

var (
	front = &wait.Process{Name: "front", PID: 41}
	stock = &wait.Process{Name: "stock\x1b[2J", PID: 57}
)

func TestTheLiveLineSaysWhatARecordingCosts(t *testing.T) {
	of := func(p *wait.Process, overhead float64) session.ProcessProgress {
		return session.ProcessProgress{Process: p, Overhead: overhead}
	}
	for name, c := range map[string]struct {
		progress session.Progress
		want     string
	}{
		"one process": {
			session.Progress{Overhead: 0.013, Processes: []session.ProcessProgress{of(front, 0.013)}},
			"  12 s        50 waits/s  0 lost  probe cost 1.3 %",
		},
		"several": {
			session.Progress{Overhead: 0.02, Processes: []session.ProcessProgress{of(front, 0.013), of(stock, 0.042)}},
			"  12 s  2 processes        50 waits/s  0 lost  probe cost 2.0 %, 4.2 % of 57",
		},
		"not known": {
			session.Progress{Overhead: session.NotKnown, Processes: []session.ProcessProgress{of(front, session.NotKnown), of(stock, session.NotKnown)}},
			"  12 s  2 processes        50 waits/s  0 lost  probe cost not known",
		},
	} {
		t.Run(name, func(t *testing.T) {
			c.progress.Elapsed, c.progress.PerSecond = 12*time.Second, 50
			var out strings.Builder
			newLiveLine(&out, true).show(c.progress)
			if got := strings.TrimPrefix(out.String(), "\r"); got != c.want {
				t.Errorf("the line is %q, want %q", got, c.want)
			}
		})
	}
}

func TestEachProcessThatCostsTooMuchIsWarnedOfOnce(t *testing.T) {
	var out strings.Builder
	live := newLiveLine(&out, false)
	for range 2 {
		live.show(session.Progress{Processes: []session.ProcessProgress{
			{Process: front, Overhead: 0.01},
			{Process: stock, Overhead: 0.07, OverBudget: true},
		}})
	}
	want := `netpolltrace: warning: the probes cost process 57 (stock\x1b[2J) 7.0 % of its CPU time, more than --max-overhead allows` + "\n"
	if out.String() != want {
		t.Errorf("was said %q, want %q", out.String(), want)
	}
}
