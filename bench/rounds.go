package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/netpolltrace/netpolltrace/testprogram"
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
	config
	dir      string
	echo     string // path
	variants []variant
	// measured has a row for each round, in the order of variants.
	measured [][]measurement
}

// run fills in measured. Each round begins with the next variant, so that none
// always follows the same.
func (r *rounds) run(ctx context.Context) error {
	for round := range r.rounds {
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
	dir, err := os.MkdirTemp(r.dir, v.name+"-")
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	args := []string{"-conns", strconv.Itoa(r.conns)}
	if v.echoArgs != nil {
		args = append(args, v.echoArgs(dir)...)
	}
	echo, err := testprogram.Start(ctx, r.echo, args...)
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, echo.Close()) }()
	if _, err := echo.Do("run", warmUp.String()); err != nil {
		return m, err
	}
	var w *watcher
	if v.observer != nil {
		o := v.observer(scene{tool: r.tool, exe: r.echo, pid: echo.PID(), dir: dir})
		if w, err = watch(ctx, o); err != nil {
			return m, err
		}
		defer w.kill()
	}
	result, err := echo.Do("run", r.config.run.String())
	if err != nil {
		return m, err
	}
	if m.rate, err = strconv.ParseFloat(result["rate"], 64); err != nil {
		return m, fmt.Errorf("reading the ping-pong's rate: %w", err)
	}
	if w == nil {
		return m, nil
	}
	if err := w.stop(&m); err != nil {
		return m, err
	}
	return m, r.count(ctx, w.recording, &m)
}

// count asks netpolltrace's report what is in a recording.
func (r *rounds) count(ctx context.Context, recording string, m *measurement) error {
	if recording == "" {
		return nil
	}
	text, err := exec.CommandContext(ctx, r.tool, "report", recording, "--format", "json").Output()
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
