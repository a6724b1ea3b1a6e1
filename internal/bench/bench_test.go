package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/netpolltrace/netpolltrace/internal/testprogram"
	"github.com/netpolltrace/netpolltrace/internal/truth"
	"github.com/netpolltrace/netpolltrace/recording"
)

func TestRatiosAreTakenWithinARound(t *testing.T) {
	r := rounds{
		variants: []variant{{name: bare}, {name: "empty-io"}, {name: "io", base: "empty-io"}},
		measured: [][]measurement{
			{{rate: 100}, {rate: 80}, {rate: 60, waits: 10, cpu: 10 * time.Microsecond, rss: 3e6}},
			{{rate: 1000}, {rate: 500}, {rate: 400, waits: 10, cpu: 20 * time.Microsecond, rss: 5e6, lost: 3}},
			{{rate: 10}, {rate: 7}, {rate: 7, waits: 10, cpu: 30 * time.Microsecond, rss: 4e6, lost: 4}},
		},
	}
	rows := strings.Split(strings.TrimSpace(r.table()), "\n")
	want := "| io |  | 60 | 0.60 (0.40–0.70) | 0.80 (0.75–1.00) | 2µs | 5 MB | 30 | 7 |"
	if got := rows[len(rows)-1]; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestEachRoundBeginsWithAnotherVariant(t *testing.T) {
	echo, err := testprogram.Build{}.Program(t.Context(), "echo", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var order []string
	note := func(name string) variant {
		return variant{name: name, echoArgs: func(string) []string { order = append(order, name); return nil }}
	}
	r := rounds{
		lab:      &lab{config: config{rounds: 2, run: time.Millisecond, conns: 1}, dir: t.TempDir(), echo: echo},
		variants: []variant{note("a"), note("b"), note("c")},
	}
	if err := r.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(order, ""); got != "abcbca" {
		t.Errorf("measured in the order %s, want abcbca", got)
	}
}

func TestOnlySomeVariants(t *testing.T) {
	chosen, err := choose(variants(), []string{"io"})
	if err != nil || strings.Join(namesOf(chosen), " ") != "bare io" {
		t.Errorf("chose %v (%v), want bare and io", namesOf(chosen), err)
	}
	if _, err := choose(variants(), []string{"oi"}); err == nil || !strings.Contains(err.Error(), "there are bare, ") {
		t.Errorf("choosing what is not there: %v", err)
	}
}

func TestAnObserverThatDiesSaysWhy(t *testing.T) {
	_, err := watch(t.Context(), observer{command: []string{"sh", "-c", "echo no rights >&2; exit 2"}})
	if err == nil || !strings.Contains(err.Error(), "no rights") {
		t.Errorf("got %v, want what it complained of", err)
	}
}

func TestAnObserverEndsWhenInterrupted(t *testing.T) {
	w, err := watch(t.Context(), observer{command: []string{"sh", "-c", "trap 'exit 0' INT; echo ready; while :; do sleep 0.01; done"}})
	if err != nil {
		t.Fatal(err)
	}
	defer w.kill()
	rss, err := w.stop()
	if err != nil {
		t.Error(err)
	}
	if rss == 0 {
		t.Error("its memory was not noted")
	}
}

func TestGoalsOfAMode(t *testing.T) {
	r := rounds{
		variants: []variant{{name: bare}, {name: "empty-io"}, {name: "io", base: "empty-io"}},
		measured: [][]measurement{{{rate: 100}, {rate: 80}, {rate: 60, waits: 10, cpu: 20 * time.Microsecond, lost: 1}}},
	}
	var missed []string
	for _, g := range r.goals() {
		if !g.reached {
			missed = append(missed, g.got)
		}
	}
	if got, want := strings.Join(missed, "; "), "0.75 (0.75–0.75); 2µs; 1 of 10"; got != want {
		t.Errorf("missed %s, want %s", got, want)
	}
}

func TestResultsGoBetweenTheMarks(t *testing.T) {
	document := filepath.Join(t.TempDir(), "document.md")
	before, after := "# Performance\n\n"+beginMark, endMark+"\nThe rest.\n"
	if err := os.WriteFile(document, []byte(before+"old\n"+after), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := insert(document, "new\n"); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(document)
	if err != nil || string(got) != before+"\nnew\n\n"+after {
		t.Errorf("it says %q (%v)", got, err)
	}
	if err := os.WriteFile(document, []byte("no marks"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := insert(document, "new\n"); err == nil {
		t.Error("a document without marks was changed")
	}
}

func TestABigProgramWaitsAndEnds(t *testing.T) {
	path, err := buildBig(t.Context(), t.TempDir(), bigSize{packages: 2, functions: 3, data: 100})
	if err != nil {
		t.Fatal(err)
	}
	program, err := testprogram.Start(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if err := program.Close(); err != nil {
		t.Error(err)
	}
}

func TestMadeUpWaitsAddUp(t *testing.T) {
	path := filepath.Join(t.TempDir(), "made.arrows")
	if err := generate(path, 1000); err != nil {
		t.Fatal(err)
	}
	reader, err := recording.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	var made truth.Gather
	if err := reader.Run(t.Context(), &made); err != nil {
		t.Fatal(err)
	}
	reasons := make(map[string]int)
	for i := range made.Waits {
		w := &made.Waits[i]
		reasons[w.Reason]++
		sum := time.Duration(0)
		for _, part := range []time.Duration{w.Network, w.Netpoll, w.Blocked, w.Sched} {
			sum += max(0, part)
		}
		if sum != w.Total {
			t.Errorf("wait %d: the parts are %v, the total is %v", i, sum, w.Total)
		}
	}
	if len(made.Waits) != 1000 || len(reasons) != 3 || reader.Damage() != nil {
		t.Errorf("%d waits of %v, damage %v", len(made.Waits), reasons, reader.Damage())
	}
}

func TestACommandIsMeasured(t *testing.T) {
	u, err := measureCommand(t.Context(), "sh", "-c", "sleep 0.05")
	if err != nil || u.wall < 50*time.Millisecond || u.peak == 0 {
		t.Errorf("took %+v (%v)", u, err)
	}
	if _, err := measureCommand(t.Context(), "sh", "-c", "echo no rights >&2; exit 2"); err == nil || !strings.Contains(err.Error(), "no rights") {
		t.Errorf("got %v, want what it complained of", err)
	}
}
