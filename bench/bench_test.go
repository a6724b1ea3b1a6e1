package main

import (
	"strings"
	"testing"
	"time"

	"github.com/netpolltrace/netpolltrace/testprogram"
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
		config: config{rounds: 2, run: time.Millisecond, conns: 1}, dir: t.TempDir(), echo: echo,
		variants: []variant{note("a"), note("b"), note("c")},
	}
	if err := r.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(order, ""); got != "abcbca" {
		t.Errorf("measured in the order %s, want abcbca", got)
	}
	for _, row := range r.measured {
		for i, m := range row {
			if m.rate <= 0 {
				t.Errorf("%s made %v trips a second", r.variants[i].name, m.rate)
			}
		}
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
	var m measurement
	if err := w.stop(&m); err != nil {
		t.Error(err)
	}
	if m.rss == 0 {
		t.Error("its memory was not noted")
	}
}
