package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/netpolltrace/netpolltrace/internal/truth"
)

// What the project promised itself of reports.
const (
	manyWaits        = 5_000_000
	mostReportTime   = 4 * time.Second
	mostReportMemory = 150e6 // bytes
	leastFaster      = 10    // times, than go tool trace
	leastSmaller     = 10

	// tracedRun is how long the ping-pong runs for the comparison with Go's
	// tool: a million waits or so, as a busy server has them in a minute.
	tracedRun = 10 * time.Second
)

// measureReports measures reports of a large recording, and of a small one
// against what Go's own tool makes of the same waits.
func measureReports(ctx context.Context, l *lab) (string, []goal, error) {
	large := filepath.Join(l.dir, "large.arrows")
	if err := generate(large, manyWaits); err != nil {
		return "", nil, err
	}
	same, err := l.recordBoth(ctx)
	if err != nil {
		return "", nil, err
	}
	cases := []*reportCase{
		{name: "`report`", waits: manyWaits, command: []string{l.tool, "report", large}},
		{name: "`report --by stack --format json`", waits: manyWaits, command: []string{l.tool, "report", large, "--by", "stack", "--format", "json"}},
		{name: "`report --by stack`, of the ping-pong", waits: same.waits, command: []string{l.tool, "report", same.recording, "--by", "stack"}},
		{name: "`go tool trace -pprof=net`, of the same", waits: same.traced, command: []string{same.tool, "-pprof=net", same.trace}},
	}
	for round := range l.rounds {
		for i := range cases {
			c := cases[(i+round)%len(cases)]
			u, err := measureCommand(ctx, c.command...)
			if err != nil {
				return "", nil, err
			}
			c.uses = append(c.uses, u)
			fmt.Fprintf(os.Stderr, "round %d, %s: %v, %v of CPU, %d MB\n", round+1, c.name, u.wall.Round(time.Millisecond), u.cpu, u.peak/1e6)
		}
	}
	return reportTable(cases), reportGoals(cases), nil
}

// reportCase is a command that reads waits.
type reportCase struct {
	name    string
	waits   int
	command []string
	uses    []use // one a round
}

func (c *reportCase) wall() spread {
	return c.spread(func(u use) float64 { return u.wall.Seconds() })
}

// peak is in MB.
func (c *reportCase) peak() spread {
	return c.spread(func(u use) float64 { return float64(u.peak) / 1e6 })
}

func (c *reportCase) spread(number func(use) float64) spread {
	var values []float64
	for _, u := range c.uses {
		values = append(values, number(u))
	}
	return spreadOf(values)
}

// both is a ping-pong that was recorded, and traced itself, at the same time.
type both struct {
	recording, trace string // paths
	waits, traced    int    // in each of them
	tool             string // path of Go's own tool
}

func (l *lab) recordBoth(ctx context.Context) (b both, err error) {
	b.trace = filepath.Join(l.dir, "trace")
	echo, err := l.startEcho(ctx, l.conns, "-trace", b.trace)
	if err != nil {
		return b, err
	}
	defer func() { err = errors.Join(err, echo.Close()) }()
	w, err := watch(ctx, record("io")(scene{tool: l.tool, exe: l.echo, pid: echo.PID(), dir: l.dir}))
	if err != nil {
		return b, err
	}
	defer w.kill()
	if _, err := echo.Do("run", tracedRun.String()); err != nil {
		return b, err
	}
	if _, err := w.stop(); err != nil {
		return b, err
	}
	b.recording = w.recording
	result, err := matchRecording(ctx, b.recording, b.trace, truth.NetworkReasons())
	if err != nil {
		return b, err
	}
	b.waits, b.traced = len(result.Pairs)+len(result.Extra), len(result.Pairs)+len(result.Missing)
	b.tool, err = goTool(ctx, "trace")
	return b, err
}

// goTool is the path of one of Go's tools. The go command builds some of them
// when they are first used, so it is asked twice.
func goTool(ctx context.Context, name string) (string, error) {
	_ = exec.CommandContext(ctx, "go", "tool", name, "-h").Run() // its status for -h is 2
	out, err := exec.CommandContext(ctx, "go", "tool", "-n", name).Output()
	if err != nil {
		return "", fmt.Errorf("looking for go tool %s: %w", name, err)
	}
	return strings.TrimSpace(string(out)), nil
}

func reportTable(cases []*reportCase) string {
	var out strings.Builder
	fmt.Fprintf(&out, "Five million made-up waits of %d goroutines, and the waits of a run of the ping-pong of %v that was recorded and "+
		"traced itself at the same time.\n\n| command | waits | seconds | MB |\n|---|--:|--:|--:|\n", madeGoroutines, tracedRun)
	for _, c := range cases {
		wall := c.wall()
		fmt.Fprintf(&out, "| %s | %d | %.2f (%.2f–%.2f) | %s |\n", c.name, c.waits, wall.median, wall.low, wall.high, rounded(c.peak()))
	}
	return out.String()
}

func reportGoals(cases []*reportCase) []goal {
	wall, peak := cases[0].wall(), cases[0].peak()
	ours, theirs := cases[2], cases[3]
	faster, smaller := theirs.wall().median/ours.wall().median, theirs.peak().median/ours.peak().median
	return []goal{
		{"`report` of 5 million waits", "≤ 4 s", fmt.Sprintf("%.1f s", wall.median), wall.median <= mostReportTime.Seconds()},
		{"its memory", "≤ 150 MB", rounded(peak) + " MB", peak.high <= mostReportMemory/1e6},
		{"faster than `go tool trace -pprof=net` on the same waits", "≥ 10 times", fmt.Sprintf("%.1f times", faster), faster >= leastFaster},
		{"with less memory", "≤ 1/10", fmt.Sprintf("1/%.1f", smaller), smaller >= leastSmaller},
	}
}
