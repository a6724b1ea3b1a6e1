package render

import (
	"fmt"
	"strings"
	"testing"

	"github.com/netpolltrace/netpolltrace/report"
	"github.com/netpolltrace/netpolltrace/wait"
)

// ran is a target whose probes cost it a percentage; negative: not measured.
func ran(exe string, pid int, overhead float64) report.Target {
	return report.Target{Target: wait.Target{Exe: exe, PID: pid}, Overhead: overhead}
}

func TestAProcessThatRanItsProgramAgainIsNamedOnce(t *testing.T) {
	r := &report.Report{
		Metas:   []wait.Meta{{}},
		Targets: []report.Target{ran("/bin/api", 41, 1.3), ran("/bin/api", 41, 1.3)},
		Events:  report.Events{Overhead: 1.3},
	}
	if got := strings.Join(header(r), "  "); got != "api  pid 41  0 s  lost 0" {
		t.Errorf("the head is %q", got)
	}
	if got := costLine(r); got != "Cost to the target: 1.3 % CPU." {
		t.Errorf("the cost is told as %q", got)
	}
}

func TestACostThatWasNotMeasuredIsSaid(t *testing.T) {
	r := &report.Report{
		Metas:   []wait.Meta{{}},
		Targets: []report.Target{ran("/bin/api", 41, 1.3), ran("/bin/api", 42, -1), ran("/bin/db", 43, 0)},
		Events:  report.Events{Overhead: 1.3},
	}
	if got := costLine(r); got != "Cost to the targets: 1.3 % CPU (api 41 1.3 %, api 42 not measured, db 0.0 %)." {
		t.Errorf("the cost is told as %q", got)
	}
}

func TestManyChangesOfProcessesAreAddedUp(t *testing.T) {
	r := &report.Report{Events: report.Events{Notes: []report.Note{
		{Kind: wait.EventTarget, Count: 30, Text: "further processes that joined or left", Further: true},
	}}}
	for i := range 13 {
		r.Events.Notes = append(r.Events.Notes, report.Note{Kind: wait.EventTarget, Count: 1, Text: fmt.Sprintf("child %d", i)})
	}
	lines := remarks(r)
	if len(lines) != 7 || lines[5] != "after 0 s: child 5" || lines[6] != "... and 37 more changes of processes and modes" {
		t.Errorf("is said: %q", lines)
	}
}
