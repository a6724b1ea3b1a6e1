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
	var ratios []float64
	for _, row := range r.measured {
		ratios = append(ratios, row[variant].rate/row[other].rate)
	}
	return spreadOf(ratios).String()
}

func (r *rounds) perWait(variant int) string {
	var each []float64
	for _, row := range r.measured {
		if m := row[variant]; m.waits > 0 {
			each = append(each, float64(m.cpu)/float64(m.waits))
		}
	}
	if len(each) == 0 {
		return ""
	}
	return time.Duration(spreadOf(each).median).String()
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
	total := 0.0
	for _, value := range r.column(variant, number) {
		total += value
	}
	return fmt.Sprintf("%.0f", total)
}
