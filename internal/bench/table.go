package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// spread is the middle and the ends of some numbers.
type spread struct{ low, median, high float64 }

func spreadOf(values []float64) spread {
	sorted := slices.Sorted(slices.Values(values))
	return spread{sorted[0], sorted[len(sorted)/2], sorted[len(sorted)-1]}
}

// String is for a ratio.
func (s spread) String() string {
	return fmt.Sprintf("%.2f (%.2f–%.2f)", s.median, s.low, s.high)
}

// What the project promised itself of a recording's price.
const (
	leastIO     = 0.78 // of the throughput under empty probes at the same places
	leastAll    = 0.80
	mostPerWait = time.Microsecond
)

// goals are those of which everything was measured.
func (r *rounds) goals() []goal {
	var goals []goal
	for _, want := range []struct {
		variant string
		least   float64
	}{{"io", leastIO}, {"all", leastAll}} {
		i := slices.Index(namesOf(r.variants), want.variant)
		if i < 0 || r.ratio(i, r.variants[i].base) == "" {
			continue
		}
		base := slices.Index(namesOf(r.variants), r.variants[i].base)
		ratio := spreadOf(r.ratios(i, base))
		each, _ := r.cpuPerWait(i)
		lost := r.total(i, lostOf)
		goals = append(goals,
			goal{"throughput in mode " + want.variant + ", of that under its empty probes", fmt.Sprintf("≥ %.2f", want.least),
				ratio.String(), ratio.median >= want.least},
			goal{"the tracer's own CPU time a wait, mode " + want.variant, "≤ 1 µs", each.String(), each <= mostPerWait},
			goal{"waits lost at full rate, mode " + want.variant, "0", fmt.Sprintf("%.0f of %.0f", lost, r.total(i, waitsOf)), lost == 0},
		)
	}
	return goals
}

// table is the result as Markdown. Ratios are taken within a round; the middle
// one stands there with the lowest and the highest.
func (r *rounds) table() string {
	var out strings.Builder
	out.WriteString("| variant | what | trips/s | of bare | of its empty probes | tracer CPU a wait | tracer memory | waits | lost |\n")
	out.WriteString("|---|---|--:|--:|--:|--:|--:|--:|--:|\n")
	for i, v := range r.variants {
		fmt.Fprintf(&out, "| %s | %s | %.0f | %s | %s | %s | %s | %s | %s |\n", v.name, v.what,
			spreadOf(r.column(i, rateOf)).median, r.ratio(i, bare), r.ratio(i, v.base),
			r.perWait(i), r.memory(i), r.sum(i, waitsOf), r.sum(i, lostOf))
	}
	return out.String()
}

func rateOf(m measurement) float64  { return m.rate }
func waitsOf(m measurement) float64 { return float64(m.waits) }
func lostOf(m measurement) float64  { return float64(m.lost) }

// column is one number of one variant in all rounds.
func (r *rounds) column(variant int, number func(measurement) float64) []float64 {
	var values []float64
	for _, row := range r.measured {
		values = append(values, number(row[variant]))
	}
	return values
}

// ratio compares a variant's rate with that of another in the same round. It is
// empty where the other was not measured.
func (r *rounds) ratio(variant int, base string) string {
	other := slices.Index(namesOf(r.variants), base)
	if other < 0 {
		return ""
	}
	return spreadOf(r.ratios(variant, other)).String()
}

func (r *rounds) ratios(variant, base int) []float64 {
	var ratios []float64
	for _, row := range r.measured {
		ratios = append(ratios, row[variant].rate/row[base].rate)
	}
	return ratios
}

func (r *rounds) perWait(variant int) string {
	each, ok := r.cpuPerWait(variant)
	if !ok {
		return ""
	}
	return each.String()
}

// cpuPerWait is false for variants that do not count waits.
func (r *rounds) cpuPerWait(variant int) (time.Duration, bool) {
	var each []float64
	for _, row := range r.measured {
		if m := row[variant]; m.waits > 0 {
			each = append(each, float64(m.cpu)/float64(m.waits))
		}
	}
	if len(each) == 0 {
		return 0, false
	}
	return time.Duration(spreadOf(each).median), true
}

func (r *rounds) memory(variant int) string {
	highest := spreadOf(r.column(variant, func(m measurement) float64 { return float64(m.rss) })).high
	if highest == 0 {
		return ""
	}
	return fmt.Sprintf("%.0f MB", highest/1e6)
}

// sum adds up all rounds, for variants that record.
func (r *rounds) sum(variant int, number func(measurement) float64) string {
	if spreadOf(r.column(variant, waitsOf)).high == 0 {
		return ""
	}
	return fmt.Sprintf("%.0f", r.total(variant, number))
}

func (r *rounds) total(variant int, number func(measurement) float64) float64 {
	total := 0.0
	for _, value := range r.column(variant, number) {
		total += value
	}
	return total
}
