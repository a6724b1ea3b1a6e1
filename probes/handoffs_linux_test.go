package probes_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/netpolltrace/netpolltrace/probes"
	"github.com/netpolltrace/netpolltrace/wait"
)

// recordHandoffs begins to record the program "handoffs" in mode io.
func recordHandoffs(t *testing.T, options probes.Options) (*target, *running, *probes.Recorder) {
	t.Helper()
	options.Mode = wait.ModeIO
	program := launch(t, "handoffs")
	r := openRecorder(t, options)
	program.add(t, r, probes.TargetOptions{})
	return program, run(t, r), r
}

// handoffs are those that were recorded.
func (r *running) handoffs() []wait.Wait {
	var found []wait.Wait
	for _, w := range r.Waits {
		if w.Kind == wait.KindHandoff {
			found = append(found, w)
		}
	}
	return found
}

// handoffsAre waits until the recording says that handoffs are recorded, or not.
func (r *running) handoffsAre(t *testing.T, recorded bool) {
	t.Helper()
	r.until(t, func() bool {
		for _, e := range r.Events {
			if change, ok := e.Detail.(*wait.HandoffChange); ok && change.Recorded == recorded {
				return true
			}
		}
		return false
	})
}

// The goroutine that reads an HTTP client's connection hands each answer to the
// one that asked.
func TestAnHTTPClientsReaderHandsOnToTheCaller(t *testing.T) {
	const rounds = 20
	program, all, _ := recordHandoffs(t, probes.Options{})
	did := program.do(t, "get", strconv.Itoa(rounds))
	all.end(t, false)
	nothingLost(t, &all.Gather)
	startOf := make(map[uint64]string)
	for _, w := range all.Waits {
		if w.Kind == wait.KindWait {
			startOf[w.Goid] = w.StartFunc
		}
	}
	toCaller := 0
	for _, w := range all.handoffs() {
		if w.Reason == wait.ReasonIO {
			t.Errorf("a wait in the netpoller was ended by goroutine %d: that is no handoff", w.WakerGoid)
		}
		if w.Stack == nil || !strings.HasSuffix(w.Stack.Line, "handoffs/main.go:"+did["line"]) {
			continue
		}
		if !strings.Contains(startOf[w.WakerGoid], "net/http.(*Transport).dialConn.") {
			continue // the one that dialed hands on the connection
		}
		toCaller++
		if w.Total != wait.Unmeasured || w.Goid == 0 || w.Reason != "select" {
			t.Errorf("a handoff says %+v", w)
		}
	}
	if toCaller != rounds {
		t.Errorf("%d handoffs to the caller, want %d; all: %d", toCaller, rounds, len(all.handoffs()))
	}
}

func TestHandoffsAreNotLookedForInAProgramThatWouldPayForIt(t *testing.T) {
	program, all, r := recordHandoffs(t, probes.Options{})
	program.do(t, "pass")
	all.handoffsAre(t, false)
	program.do(t, "stop")
	all.handoffsAre(t, true)
	program.do(t, "get", "3")
	all.end(t, false)
	nothingLost(t, &all.Gather)
	if len(all.handoffs()) == 0 {
		t.Error("no handoff was recorded when the program had calmed down")
	}
	if stats := r.Stats(); stats.Lost != 0 {
		t.Errorf("%d waits lost", stats.Lost)
	}
}

func TestHandoffsThatNobodyWantsAreLeftOut(t *testing.T) {
	program := launch(t, "handoffs")
	r := openRecorder(t, probes.Options{Mode: wait.ModeIO, NoHandoffs: true})
	added := program.add(t, r, probes.TargetOptions{})
	if added.Unmeasured[wait.PartHandoffs] == "" {
		t.Error("the recording does not say that it has no handoffs")
	}
	all := run(t, r)
	program.do(t, "get", "3")
	all.end(t, false)
	if found := all.handoffs(); len(found) != 0 {
		t.Errorf("%d handoffs recorded", len(found))
	}
}
