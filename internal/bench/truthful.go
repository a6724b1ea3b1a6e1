package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/netpolltrace/netpolltrace/internal/truth"
	"github.com/netpolltrace/netpolltrace/recording"
)

// What the project promised itself of a recording's truth.
const (
	leastMatched = 0.999
	mostOff      = 0.01 // of the sum of all waits, either way
)

const tornBeyond = 100 * time.Microsecond

// truthMode is a mode and what it is to see.
type truthMode struct {
	name    string
	reasons []string
	results []*truth.Result // one a round
	lost    uint64
}

// measureTruth holds recordings of the ping-pong at its full rate against the
// execution trace that it makes of itself meanwhile.
func measureTruth(ctx context.Context, l *lab) (string, []goal, error) {
	modes := []*truthMode{
		{name: "io", reasons: truth.NetworkReasons()},
		{name: "all", reasons: truth.ProgramReasons()},
	}
	for round := range l.rounds {
		for i := range modes {
			mode := modes[(i+round)%len(modes)]
			if err := mode.measure(ctx, l); err != nil {
				return "", nil, fmt.Errorf("mode %s: %w", mode.name, err)
			}
			fmt.Fprintf(os.Stderr, "round %d, mode %s: %v", round+1, mode.name, mode.results[len(mode.results)-1])
		}
	}
	return truthTable(modes), truthGoals(modes), nil
}

func (m *truthMode) measure(ctx context.Context, l *lab) (err error) {
	dir, remove, err := l.folder()
	if err != nil {
		return err
	}
	defer remove()
	file := filepath.Join(dir, "trace")
	echo, err := l.startEcho(ctx, l.conns, "-trace", file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, echo.Close()) }()
	w, err := watch(ctx, record(m.name)(scene{tool: l.tool, exe: l.echo, pid: echo.PID(), dir: dir}))
	if err != nil {
		return err
	}
	defer w.kill()
	if _, err := echo.Do("run", l.config.run.String()); err != nil {
		return err
	}
	if _, err := w.stop(); err != nil {
		return err
	}
	var counted measurement
	if err := l.count(ctx, w.recording, &counted); err != nil {
		return err
	}
	m.lost += counted.lost
	result, err := matchRecording(ctx, w.recording, file, m.reasons)
	m.results = append(m.results, result)
	return err
}

// matchRecording holds a recording against an execution trace.
func matchRecording(ctx context.Context, path, file string, reasons []string) (*truth.Result, error) {
	reader, err := recording.Open(path)
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	var ours truth.Gather
	if err := reader.Run(ctx, &ours); err != nil {
		return nil, err
	}
	traced, err := truth.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return truth.Match(traced, ours.Waits, truth.Options{
		Reasons: reasons, TornBeyond: tornBeyond, Tolerance: time.Millisecond, WallClock: truth.WallClock(*reader.Meta()),
	}), nil
}

func truthTable(modes []*truthMode) string {
	var out strings.Builder
	out.WriteString("The ping-pong at full rate traces itself (runtime/trace) while it is recorded; the waits are matched one to one " +
		"by goroutine and time. Sums are of all pairs, those included in which another thread ran between the two stamps " +
		"(\"torn\": more than " + tornBeyond.String() + " apart, or at times that the trace's reader made up); differences are ours minus the trace's, of single waits.\n\n" +
		"| mode | waits | matched | wrong reason | lost | part | sum off | without torn | torn | difference p50 | p99 |\n" +
		"|---|--:|--:|--:|--:|---|--:|--:|--:|--:|--:|\n")
	for _, m := range modes {
		waits, wrong := 0, 0
		for _, r := range m.results {
			waits += len(r.Pairs) + len(r.Missing) + len(r.Extra)
			wrong += len(r.WrongReason)
		}
		for i, part := range []struct {
			name string
			of   func(*truth.Result) *truth.Part
		}{
			{"total", func(r *truth.Result) *truth.Part { return &r.Total }},
			{"park to runnable", func(r *truth.Result) *truth.Part { return &r.Until }},
			{"runnable to running", func(r *truth.Result) *truth.Part { return &r.Sched }},
		} {
			of := func(number func(*truth.Part) float64) spread {
				return m.spread(func(r *truth.Result) float64 { return number(part.of(r)) })
			}
			first := "| | | | | "
			if i == 0 {
				first = fmt.Sprintf("| %s | %d | %.3f %% | %d | %d ", m.name, waits, 100*m.matched(), wrong, m.lost)
			}
			fmt.Fprintf(&out, "%s| %s | %s | %s | %.2f %% | %v | %v |\n", first, part.name,
				percent(of((*truth.Part).Off)), percent(of((*truth.Part).OffWhole)),
				100*of(func(p *truth.Part) float64 { return float64(p.Torn) / float64(max(1, p.Measured())) }).median,
				time.Duration(of(func(p *truth.Part) float64 { return float64(p.Difference(0.5)) }).median),
				time.Duration(of(func(p *truth.Part) float64 { return float64(p.Difference(0.99)) }).median))
		}
	}
	return out.String()
}

func (m *truthMode) spread(number func(*truth.Result) float64) spread {
	var values []float64
	for _, r := range m.results {
		values = append(values, number(r))
	}
	return spreadOf(values)
}

// matched is that of the worst round.
func (m *truthMode) matched() float64 { return m.spread((*truth.Result).Matched).low }

func percent(s spread) string {
	return fmt.Sprintf("%+.2f %% (%+.2f to %+.2f)", 100*s.median, 100*s.low, 100*s.high)
}

func truthGoals(modes []*truthMode) []goal {
	var goals []goal
	for _, m := range modes {
		wrong := slices.MaxFunc(m.results, func(a, b *truth.Result) int { return cmp.Compare(len(a.WrongReason), len(b.WrongReason)) })
		off := m.spread(func(r *truth.Result) float64 { return r.Total.Off() })
		goals = append(goals,
			goal{"waits matched one to one, mode " + m.name + ", worst round", "≥ 99.9 %", fmt.Sprintf("%.3f %%", 100*m.matched()),
				m.matched() >= leastMatched && len(wrong.WrongReason) == 0},
			goal{"sum of the waits, mode " + m.name + ", against the trace's", "within 1 %", percent(off),
				off.median <= mostOff && off.median >= -mostOff},
		)
	}
	return goals
}
