package report

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// order brings the rows that matter to the top.
type order struct {
	// measure is what rows are sorted by, largest first; nil means by name.
	measure func(r *Row, n *Numbers) time.Duration
}

type orderDef struct {
	name    string
	measure func(r *Row, n *Numbers) time.Duration
}

// orderTable returns the orders of --sort. Counts are compared as if they were
// durations.
func orderTable() []orderDef {
	return []orderDef{
		{"total", func(_ *Row, n *Numbers) time.Duration { return n.Total }},
		{"waits", func(_ *Row, n *Numbers) time.Duration { return time.Duration(n.Waits) }},
		{"p50", func(_ *Row, n *Numbers) time.Duration { return n.P50 }},
		{"p90", func(_ *Row, n *Numbers) time.Duration { return n.P90 }},
		{"p99", func(_ *Row, n *Numbers) time.Duration { return n.P99 }},
		{"max", func(_ *Row, n *Numbers) time.Duration { return n.Max }},
		{"network", func(_ *Row, n *Numbers) time.Duration { return n.Network }},
		{"netpoll", func(_ *Row, n *Numbers) time.Duration { return n.Netpoll }},
		{"blocked", func(_ *Row, n *Numbers) time.Duration { return n.Blocked }},
		{"sched", func(_ *Row, n *Numbers) time.Duration { return n.Sched }},
		{"unsplit", func(_ *Row, n *Numbers) time.Duration { return n.Unsplit }},
		{"timeouts", func(_ *Row, n *Numbers) time.Duration { return time.Duration(n.Timeouts) }},
		{"idle", func(r *Row, _ *Numbers) time.Duration { return r.Idle }},
		{"open", func(r *Row, _ *Numbers) time.Duration { return time.Duration(r.Open) }},
		{"name", nil},
	}
}

// OrderNames are the orders of --sort.
func OrderNames() []string {
	var names []string
	for _, def := range orderTable() {
		names = append(names, def.name)
	}
	return names
}

func orderNamed(name string) (order, error) {
	if name == "" {
		name = "total"
	}
	for _, def := range orderTable() {
		if def.name == name {
			return order{measure: def.measure}, nil
		}
	}
	return order{}, fmt.Errorf("unknown order %q; orders: %s", name, strings.Join(OrderNames(), ", "))
}

// sort sorts by the measure, then by open waits and by name, so that the same
// waits always give the same report. The row of other groups comes last.
func (o order) sort(rows []*Row, keys []KeyInfo) {
	slices.SortFunc(rows, func(a, b *Row) int {
		if a.Other != b.Other {
			if a.Other {
				return 1
			}
			return -1
		}
		if o.measure != nil {
			if c := cmp.Compare(o.measure(b, &b.Shown), o.measure(a, &a.Shown)); c != 0 {
				return c
			}
			if c := cmp.Compare(b.Open, a.Open); c != 0 {
				return c
			}
		}
		return compareKeys(a.Key, b.Key, keys)
	})
}

func compareKeys(a, b []string, keys []KeyInfo) int {
	for i, key := range keys {
		if c := compareTexts(a[i], b[i], key.Numeric); c != 0 {
			return c
		}
	}
	return 0
}

func compareTexts(a, b string, numeric bool) int {
	if numeric {
		m, errA := strconv.ParseUint(a, 10, 64)
		n, errB := strconv.ParseUint(b, 10, 64)
		if errA == nil && errB == nil {
			return cmp.Compare(m, n)
		}
	}
	return strings.Compare(a, b)
}
