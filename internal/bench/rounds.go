package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/netpolltrace/netpolltrace/internal/testprogram"
)

const (
	// warmUp runs before anybody watches.
	warmUp = 200 * time.Millisecond
	// limit is how long an observer may take to begin, and to end.
	limit = time.Minute
)

// measurement is one variant in one round.
type measurement struct {
	rate  float64       // round trips a second
	cpu   time.Duration // used by the observer
	rss   int64         // bytes, the observer's greatest
	waits uint64        // in its recording
	lost  uint64
}

type rounds struct {
	*lab
	variants []variant
	// measured has a row for each round, in the order of variants.
	measured [][]measurement
}

// measureCost measures what being watched costs the ping-pong, and the
// observers' own CPU time.
func measureCost(ctx context.Context, l *lab) (string, []goal, error) {
	chosen, err := choose(variants(), l.config.variants)
	if err != nil {
		return "", nil, err
	}
	r := rounds{lab: l, variants: chosen}
	if err := r.run(ctx); err != nil {
		return "", nil, err
	}
	return r.table(), r.goals(), nil
}

// choose returns the variants named, and always the first, which is bare; all
// if none is named. It leaves out, and says so, what this machine has no
// program for.
func choose(all []variant, names []string) ([]variant, error) {
	for _, name := range names {
		if !slices.ContainsFunc(all, func(v variant) bool { return v.name == name }) {
			return nil, fmt.Errorf("there is no variant %q; there are %s", name, strings.Join(namesOf(all), ", "))
		}
	}
	return slices.DeleteFunc(slices.Clone(all), func(v variant) bool {
		if v.needs != "" {
			if _, err := exec.LookPath(v.needs); err != nil {
				fmt.Fprintf(os.Stderr, "%s is not measured: %s is not installed\n", v.name, v.needs)
				return true
			}
		}
		return len(names) > 0 && v.name != bare && !slices.Contains(names, v.name)
	}), nil
}

func namesOf(variants []variant) []string {
	var names []string
	for _, v := range variants {
		names = append(names, v.name)
	}
	return names
}

// run fills in measured. Each round begins with the next variant, so that none
// always follows the same.
func (r *rounds) run(ctx context.Context) error {
	for round := range r.config.rounds {
		row := make([]measurement, len(r.variants))
		for i := range r.variants {
			at := (round + i) % len(r.variants)
			m, err := r.measure(ctx, r.variants[at])
			if err != nil {
				return fmt.Errorf("measuring %s: %w", r.variants[at].name, err)
			}
			fmt.Fprintf(os.Stderr, "round %d: %-14s %8.0f trips/s, %d waits, %d lost\n",
				round+1, r.variants[at].name, m.rate, m.waits, m.lost)
			row[at] = m
		}
		r.measured = append(r.measured, row)
	}
	return nil
}

// measure starts a fresh ping-pong, so that nothing is left of the last
// observer.
func (r *rounds) measure(ctx context.Context, v variant) (m measurement, err error) {
	dir, remove, err := r.folder()
	if err != nil {
		return m, err
	}
	defer remove()
	var args []string
	if v.echoArgs != nil {
		args = v.echoArgs(dir)
	}
	echo, err := r.startEcho(ctx, r.conns, args...)
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, echo.Close()) }()
	if v.observer == nil {
		m.rate, err = r.rate(echo)
		return m, err
	}
	return r.observe(ctx, echo, v.observer(scene{tool: r.tool, exe: r.echo, pid: echo.PID(), dir: dir}))
}

// observe runs the ping-pong while somebody watches. What the observer uses to
// begin and to end is not counted as its CPU time.
func (r *rounds) observe(ctx context.Context, echo *testprogram.Process, o observer) (m measurement, err error) {
	w, err := watch(ctx, o)
	if err != nil {
		return m, err
	}
	defer w.kill()
	before, err := w.cpu()
	if err != nil {
		return m, err
	}
	if m.rate, err = r.rate(echo); err != nil {
		return m, err
	}
	after, err := w.cpu()
	if err != nil {
		return m, err
	}
	m.cpu = after - before
	if m.rss, err = w.stop(); err != nil {
		return m, err
	}
	return m, r.count(ctx, w.recording, &m)
}

// rate is the round trips a second that the ping-pong makes in one run.
func (r *rounds) rate(echo *testprogram.Process) (float64, error) {
	result, err := echo.Do("run", r.config.run.String())
	if err != nil {
		return 0, err
	}
	rate, err := strconv.ParseFloat(result["rate"], 64)
	if err != nil {
		return 0, fmt.Errorf("reading the ping-pong's rate: %w", err)
	}
	return rate, nil
}

// count asks netpolltrace's report what is in a recording.
func (l *lab) count(ctx context.Context, recording string, m *measurement) error {
	if recording == "" {
		return nil
	}
	text, err := exec.CommandContext(ctx, l.tool, "report", recording, "--format", "json").Output()
	if err != nil {
		return fmt.Errorf("reporting %s: %w", filepath.Base(recording), err)
	}
	var report struct {
		Totals struct {
			Waits uint64 `json:"waits"`
			Lost  uint64 `json:"lost"`
		} `json:"totals"`
	}
	if err := json.Unmarshal(text, &report); err != nil {
		return fmt.Errorf("reading the report: %w", err)
	}
	m.waits, m.lost = report.Totals.Waits, report.Totals.Lost
	return nil
}
