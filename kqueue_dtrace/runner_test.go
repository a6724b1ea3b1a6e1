//go:build unix

package dtrace_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/netpolltrace/netpolltrace/internal/truth"
	dtrace "github.com/netpolltrace/netpolltrace/kqueue_dtrace"
	"github.com/netpolltrace/netpolltrace/wait"
)

// standIn writes a shell script that plays dtrace(1): it prints the first record
// and then does what the test says.
func standIn(t *testing.T, o *output, then string) dtrace.Config {
	t.Helper()
	path := filepath.Join(t.TempDir(), "dtrace")
	text := fmt.Sprintf("#!/bin/sh\ntest \"$1 $2\" = '-q -s' && test -s \"$3\" && test \"$4 $5\" = '-p 41' || exit 9\necho '%s'\n%s\n",
		strings.Join(o.lines, "'\necho '"), then)
	if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	return dtrace.Config{Binary: o.binary, Process: wait.Process{Name: "small", PID: 41}, Mode: wait.ModeAll, Command: []string{path}}
}

// untilTold waits for SIGTERM, with which it prints the last records.
// It makes a file beside itself once it can be told.
const untilTold = `trap 'echo NPT1 X 150000 0 100 a00; echo NPT1 E 200000; exit 0' TERM
: > "$0.ready"
while :; do sleep 0.01; done`

func TestARecordingIsStoppedInOrder(t *testing.T) {
	o := newOutput(t)
	o.parkOther(100, 0xa00, 5, "sleep")
	config := standIn(t, o, untilTold)
	source, err := dtrace.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	await(t, config.Command[0]+".ready")
	ctx, stop := context.WithCancel(t.Context())
	stop()
	var g truth.Gather
	if err := source.Run(ctx, &g); err != nil {
		t.Fatal(err)
	}
	if err := source.Close(); err != nil {
		t.Error(err)
	}
	if len(g.Waits) != 1 || g.Waits[0].Kind != wait.KindWait || len(g.Events) != 0 {
		t.Errorf("waits are %+v, events %+v; want what was printed at the end too", g.Waits, g.Events)
	}
}

// await waits until a file is there.
func await(t *testing.T, path string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ticks := time.NewTicker(time.Millisecond)
	defer ticks.Stop()
	for {
		if _, err := os.Stat(path); err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s did not appear", path)
		case <-ticks.C:
		}
	}
}

// What dtrace does by itself ends the recording in good order, and is told.
func TestARecordingEndsWithDTrace(t *testing.T) {
	for _, c := range []struct {
		then  string
		state wait.TargetState
		note  string
		open  int // waits that are told as open
	}{
		{"exit 0", wait.TargetExited, "the process exited", 0},
		{"echo 'dtrace: processing aborted: Abort due to systemic unresponsiveness' >&2\nexit 1", wait.TargetLeft, "systemic unresponsiveness", 1},
		{"kill -9 $$", wait.TargetLeft, "killed", 1},
	} {
		o := newOutput(t)
		o.parkOther(100, 0xa00, 5, "sleep")
		source, err := dtrace.Open(t.Context(), standIn(t, o, c.then))
		if err != nil {
			t.Fatal(err)
		}
		var g truth.Gather
		if err := source.Run(t.Context(), &g); err != nil {
			t.Errorf("%s: %v", c.then, err)
		}
		if err := source.Close(); err != nil {
			t.Errorf("%s: %v", c.then, err)
		}
		if len(g.Waits) != c.open || len(g.Events) != 1 || g.Events[0].Kind != wait.EventTarget || !strings.Contains(g.Events[0].Note, c.note) {
			t.Errorf("%s: waits are %+v, events %+v", c.then, g.Waits, g.Events)
			continue
		}
		if change, ok := g.Events[0].Detail.(*wait.TargetChange); !ok || change.State != c.state {
			t.Errorf("%s: the target is %+v, want %s", c.then, g.Events[0].Detail, c.state)
		}
	}
}

// It may also be closed without having been run.
func TestARecordingThatNobodyRuns(t *testing.T) {
	source, err := dtrace.Open(t.Context(), standIn(t, newOutput(t), untilTold))
	if err != nil {
		t.Fatal(err)
	}
	if err := source.SetMode(nil, wait.ModeIO); err == nil {
		t.Error("it changed its mode")
	}
	if err := source.Close(); err != nil {
		t.Error(err)
	}
}

func TestADTraceThatRefuses(t *testing.T) {
	o := newOutput(t)
	o.lines = nil
	_, err := dtrace.Open(t.Context(), standIn(t, o, "echo 'dtrace: failed to compile script: invalid user access' >&2\nexit 1"))
	if err == nil || !strings.Contains(err.Error(), "invalid user access") {
		t.Errorf("error is %v, want what dtrace said", err)
	}
	config := standIn(t, o, "")
	config.Command = []string{filepath.Join(t.TempDir(), "missing")}
	if _, err := dtrace.Open(t.Context(), config); err == nil || !strings.Contains(err.Error(), "part of macOS and FreeBSD") {
		t.Errorf("error is %v", err)
	}
}
