package render

import (
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/netpolltrace/netpolltrace/report"
	"github.com/netpolltrace/netpolltrace/wait"
)

// document is a report as texts, before it is known in which format.
// Its texts are not escaped.
type document struct {
	header   []string // what was recorded
	alerts   []string // why the figures cannot be trusted in full
	remarks  []string // what happened during the recording
	findings []report.Finding
	grids    []grid
	footer   []string
}

func newDocument(r *report.Report, o Options) document {
	d := document{
		header:   header(r),
		alerts:   alerts(r),
		remarks:  remarks(r),
		findings: r.Findings,
	}
	if len(r.Table.Rows) > 0 {
		d.grids = newGrids(r, o)
	} else {
		d.grids = []grid{{empty: "No waits.", after: unseenEnds(r)}}
	}
	d.footer = footer(r, d.grids)
	return d
}

func seconds(s float64) string {
	decimals := 1
	if s >= 10 || s == float64(int64(s)) {
		decimals = 0
	}
	return report.FormatNumber(s, decimals) + " s"
}

func alerts(r *report.Report) []string {
	var lines []string
	if lost := r.Events.Lost; lost > 0 {
		var places []string
		for _, n := range r.Events.Notes {
			if n.Kind == wait.EventLost && n.Text != "" {
				places = append(places, report.FormatCount(n.Count)+" "+n.Text)
			}
		}
		line := "LOST " + counted(lost, "record")
		if len(places) > 0 {
			line += ": " + strings.Join(places, ", ")
		}
		lines = append(lines, line+". Counts and sums below are too low.")
	}
	for _, damage := range r.Damage {
		lines = append(lines, "DAMAGED: "+damage)
	}
	for _, unchecked := range r.Unchecked {
		lines = append(lines, "NOT CHECKED: "+unchecked)
	}
	if r.Events.Truncated && len(r.Damage) == 0 {
		lines = append(lines, "CUT OFF: the recording has no end. Below is what was written, "+
			seconds(r.Events.Seconds)+" of it.")
	}
	if n := len(r.Table.Rows); n > 0 && r.Table.Rows[n-1].Other {
		lines = append(lines, fmt.Sprintf("TOO MANY GROUPS: after %s groups all further waits were put in one, (others). Group by less or use --filter.",
			report.FormatCount(uint64(n-1))))
	}
	return lines
}

// maxChanges is how many changes of processes and modes are told one by one.
const maxChanges = 6

func remarks(r *report.Report) []string {
	var changes, incomplete []string
	var more uint64 // changes
	for _, n := range r.Events.Notes {
		switch n.Kind {
		case wait.EventMode, wait.EventTarget:
			switch {
			case n.Further:
				more += n.Count
			case len(changes) == maxChanges:
				more++
			default:
				changes = append(changes, changeLine(r, &n))
			}
		case wait.EventIncomplete:
			incomplete = append(incomplete, "incomplete: "+report.FormatCount(n.Count)+" "+n.Text)
		}
	}
	if more > 0 {
		changes = append(changes, fmt.Sprintf("... and %s of processes and modes", counted(more, "more change")))
	}
	return append(incomplete, changes...)
}

func changeLine(r *report.Report, n *report.Note) string {
	text := n.Text
	if n.Process != nil && len(r.Targets) > 1 {
		text = fmt.Sprintf("%s (pid %d): %s", n.Process.Name, n.Process.PID, text)
	}
	return fmt.Sprintf("after %s: %s", seconds(n.At.Seconds()), text)
}

func footer(r *report.Report, grids []grid) []string {
	var lines []string
	if legend := legendOf(grids); legend != "" {
		lines = append(lines, legend)
	}
	if cost := costLine(r); cost != "" {
		lines = append(lines, cost)
	}
	return lines
}

// after is what is said under a table.
func after(r *report.Report, s *report.Table) []string {
	lines := missing(r, s)
	if n := s.Totals.Shown.StartedBefore; n > 0 {
		of := "their times are lower bounds"
		if n == 1 {
			of = "its time is a lower bound"
		}
		lines = append(lines, "Started before the recording: "+counted(n, "wait")+"; "+of+" and not in p50 and p99")
	}
	if line := idleLine(s.Idle, r.Idle); line != "" {
		lines = append(lines, line)
	}
	if n := s.Libraries; n.Waits > 0 {
		lines = append(lines, fmt.Sprintf("In libraries, for no wait above: %s, %s (--idle)", counted(n.Waits, "wait"), report.FormatDuration(n.Time)))
	}
	if s.OwnHint != "" {
		lines = append(lines, fmt.Sprintf("Hardly any wait is in code that is known to be the program's own. If %s is: --own %s", s.OwnHint, s.OwnHint))
	}
	if s.Open.Count > 0 {
		line := fmt.Sprintf("Still open: %s, oldest %s", report.FormatCount(s.Open.Count), report.FormatDuration(s.Open.Oldest))
		if len(s.Open.OldestKey) > 0 {
			line += " (" + nameOf(s, s.Open.OldestKey) + ")"
		}
		lines = append(lines, line)
	}
	return lines
}

func idleLine(idle report.IdleWaits, counted bool) string {
	var kinds []string
	for _, kind := range [...]struct {
		count     uint64
		one, many string
	}{
		{idle.KeepAlive, "keep-alive read", "keep-alive reads"},
		{idle.Pooled, "pooled", "pooled"},
		{idle.Accepts, "accept", "accepts"},
		{idle.Work, "wait for work", "waits for work"},
		{idle.Timers, "background timer", "background timers"},
		{idle.Others, "other", "others"},
	} {
		name := kind.many
		if kind.count == 1 {
			name = kind.one
		}
		if kind.count > 0 {
			kinds = append(kinds, report.FormatCount(kind.count)+" "+name)
		}
	}
	switch {
	case len(kinds) == 0:
		return ""
	case counted:
		return "Idle, counted above: " + strings.Join(kinds, ", ")
	}
	return "Idle, not counted: " + strings.Join(kinds, ", ") + " (--idle)"
}

// nameOf names a group by its first key, in a sentence.
func nameOf(s *report.Table, texts []string) string {
	key := 0
	if isTitle(s, key) {
		key++
	}
	text := texts[key]
	switch {
	case text == "":
		return "no " + strings.ToLower(s.By[key].Header)
	case s.By[key].Name == report.KeyLine:
		return path.Base(text)
	case s.By[key].Name == report.KeyStack:
		return report.ShortFunc(text[strings.LastIndexByte(text, ';')+1:])
	case s.By[key].Name == report.KeyOwn:
		return chain(text)
	case s.By[key].Numeric:
		return strings.ToLower(s.By[key].Header) + " " + text
	}
	return cellText(s, key, text)
}

// counted is a count of things: 1 wait, 2 waits.
func counted(n uint64, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return report.FormatCount(n) + " " + thing
}

// cellText is a key's text as a cell of a table.
func cellText(s *report.Table, key int, text string) string {
	switch {
	case text == "":
		return "(no " + strings.ToLower(s.By[key].Header) + ")"
	case s.By[key].Name == report.KeyFunc || s.By[key].Name == report.KeyStart || s.By[key].Name == report.KeyEntry || s.By[key].Name == report.KeyVia:
		return report.ShortFunc(text)
	case s.By[key].Name == report.KeyCause:
		return shortCause(text)
	}
	return text
}

// shortCause is the name of a cause, its line without folders.
func shortCause(text string) string {
	if kind, line, ok := strings.Cut(text, " at "); ok {
		return kind + " at " + report.ShortLine("", line)
	}
	return text
}

// legendOf explains the parts that the tables show.
func legendOf(grids []grid) string {
	shown := map[string]bool{}
	for _, g := range grids {
		for _, c := range g.columns {
			shown[c.part] = true
		}
	}
	var words []string
	for _, part := range [...]struct{ name, meaning string }{
		{"network", "until the kernel had data"},
		{"netpoll", "until Go noticed"},
		{"sched", "until it ran"},
		{"others", "until another goroutine was done"},
		{"unsplit", "not attributed"},
	} {
		if shown[part.name] {
			words = append(words, part.name+": "+part.meaning)
		}
	}
	return strings.Join(words, "; ")
}

// share is a part of the total in percent.
func share(part, total time.Duration) string {
	if part < 0 || total <= 0 {
		return ""
	}
	return report.FormatNumber(100*float64(part)/float64(total), 0) + " %"
}
