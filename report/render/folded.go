package render

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/netpolltrace/netpolltrace/report"
)

// value is what a folded stack can weigh.
type value struct {
	name string
	get  func(*report.Numbers) time.Duration
}

func valueTable() []value {
	return []value{
		{"total", func(n *report.Numbers) time.Duration { return n.Total }},
		{"network", func(n *report.Numbers) time.Duration { return n.Network }},
		{"netpoll", func(n *report.Numbers) time.Duration { return n.Netpoll }},
		{"blocked", func(n *report.Numbers) time.Duration { return n.Blocked }},
		{"sched", func(n *report.Numbers) time.Duration { return n.Sched }},
	}
}

// Values returns the names of what a folded stack can weigh.
func Values() []string {
	var names []string
	for _, v := range valueTable() {
		names = append(names, v.name)
	}
	return names
}

func valueNamed(name string) (value, error) {
	if name == "" {
		name = "total"
	}
	for _, v := range valueTable() {
		if v.name == name {
			return v, nil
		}
	}
	return value{}, fmt.Errorf("unknown value %q; values: %s", name, strings.Join(Values(), ", "))
}

// renderFolded writes one line a group, as flame graph tools read it: frames,
// root first, joined by semicolons, a space and nanoseconds. Keys other than
// the stack are frames too, in the order in which they were asked for. Groups
// that weigh nothing are left out.
func renderFolded(w io.Writer, r *report.Report, o Options) error {
	v, err := valueNamed(o.Value)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(w)
	for _, row := range programRows(&r.Table, o) {
		if weight := v.get(&row.Shown); weight > 0 {
			fmt.Fprintf(out, "%s %d\n", foldedFrames(&r.Table, row), weight)
		}
	}
	return out.Flush()
}

func foldedFrames(s *report.Table, row *report.Row) string {
	if row.Other {
		return "(others)"
	}
	var frames []string
	for i, key := range s.By {
		text := row.Key[i]
		switch {
		case text == "":
			frames = append(frames, "(no "+string(key.Name)+")")
		case key.Name == report.KeyStack:
			// Its own semicolons are what separates its frames.
			frames = append(frames, Printable(text))
		default:
			frames = append(frames, strings.ReplaceAll(Printable(text), ";", ":"))
		}
	}
	return strings.Join(frames, ";")
}
