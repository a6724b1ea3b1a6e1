package render

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/netpolltrace/netpolltrace/report"
	"github.com/netpolltrace/netpolltrace/wait"
)

// missing says what some waits lack, how many do, and why.
func missing(r *report.Report, s *report.Table) []string {
	n := &s.Totals.Shown
	noPoller := n.NoPoller
	if !slices.ContainsFunc(s.By, func(k report.KeyInfo) bool { return k.Name == report.KeyPoller }) {
		noPoller = 0 // nobody asked
	}
	var lines []string
	for _, part := range [...]struct {
		name      wait.Part
		lack      uint64
		otherwise string // the reason, where nothing else tells it
	}{
		{wait.PartNetwork, n.NoNetwork, "no probe saw it"},
		{wait.PartNetpoll, n.NoNetpoll, "no probe saw it"},
		{wait.PartBlocked, n.NoBlocked, "no probe saw it"},
		{wait.PartSched, n.NoSched, "no probe saw it"},
		{wait.PartOutcome, n.NoOutcome, "no probe saw it"},
		{wait.PartPoller, noPoller, "only mode all sees who polled"},
	} {
		if part.lack > 0 {
			lines = append(lines, fmt.Sprintf("Not measured: %s in %s of %s (%s)", cmp.Or(columnNames[part.name], string(part.name)),
				report.FormatCount(part.lack), counted(n.Waits, "wait"), why(r, part.otherwise, part.name)))
		}
	}
	if s.Idle.Unknown > 0 {
		lines = append(lines, fmt.Sprintf("Not known: idle of %s, which count as awaited (%s)", counted(s.Idle.Unknown, "wait"),
			why(r, "no probe saw since when a reply was pending", wait.PartIdle, wait.PartIdleOther)))
	}
	if line := ownerless(r, s); line != "" {
		lines = append(lines, line)
	}
	if line := handoffless(r); line != "" {
		lines = append(lines, line)
	}
	return append(lines, unseenEnds(r)...)
}

// columnNames are the parts that tables call otherwise.
var columnNames = map[wait.Part]string{wait.PartBlocked: "others"}

// ownerless says what it means that waits have no entry where they are grouped by
// it.
func ownerless(r *report.Report, s *report.Table) string {
	key := slices.IndexFunc(s.By, func(k report.KeyInfo) bool { return k.Name == report.KeyEntry })
	if key < 0 {
		return ""
	}
	var waits uint64
	for _, row := range s.Rows {
		if !row.Other && row.Key[key] == "" {
			waits += row.Shown.Waits
		}
	}
	if waits == 0 {
		return ""
	}
	line := fmt.Sprintf("%s: %s in goroutines of libraries, with no function of the program's own on the stack",
		cellText(s, key, ""), counted(waits, "wait"))
	if !slices.ContainsFunc(r.Targets, wasIn(wait.ModeIO)) {
		return line
	}
	return line + ". Whom they served is seen in mode all"
}

// handoffless says that it was not always seen for whom libraries waited.
func handoffless(r *report.Report) string {
	paused := func(n report.Note) bool { return n.Kind == wait.EventHandoffs }
	if !slices.ContainsFunc(r.Events.Notes, paused) {
		return ""
	}
	return "Not always seen: for which line of the program a library waited, as that would cost too much in mode io. " +
		"Such waits have the library's line; --mode all sees each"
}

// wasIn tells whether a target was recorded in a mode at some time, or may have been.
func wasIn(mode wait.Mode) func(report.Target) bool {
	return func(t report.Target) bool {
		return len(t.Modes) == 0 || slices.ContainsFunc(t.Modes, func(s report.ModeSpan) bool { return s.Mode == mode })
	}
}

// unseenEnds says that waits are missing altogether, if they are.
func unseenEnds(r *report.Report) []string {
	if reasons := reasonsFor(r, wait.PartEnds); len(reasons) > 0 {
		return []string{"Missing: waits whose end was not seen (" + atMost(maxReasons, reasons, "; ", "more reasons") + ")"}
	}
	return nil
}

// why is the reasons for which parts were not measured.
func why(r *report.Report, otherwise string, parts ...wait.Part) string {
	reasons := reasonsFor(r, parts...)
	if len(reasons) == 0 {
		return otherwise
	}
	return atMost(maxReasons, reasons, "; ", "more reasons")
}

// What a line gives of reasons, and of the programs for which one holds.
const (
	maxReasons  = 3
	maxPrograms = 4
)

// reasonsFor is why parts were not measured on the machines and in the programs
// of a report, each reason once. One that does not hold for all programs names
// those for which it does.
func reasonsFor(r *report.Report, parts ...wait.Part) []string {
	var reasons []string
	programs := make(map[string][]string) // by reason; none for all of a machine
	add := func(reason, program string) {
		if reason == "" {
			return
		}
		if !slices.Contains(reasons, reason) {
			reasons = append(reasons, reason)
		}
		if program != "" {
			programs[reason] = append(programs[reason], program)
		}
	}
	for _, part := range parts {
		for i := range r.Targets {
			t := &r.Targets[i]
			add(t.Unmeasured[part], programName(t)+" "+strconv.Itoa(t.PID))
		}
		for i := range r.Metas {
			if reason := r.Metas[i].Unmeasured[part]; reason != "" {
				add(reason, "")
				delete(programs, reason)
			}
		}
	}
	for i, reason := range reasons {
		if of := programs[reason]; len(of) > 0 && len(of) < len(r.Targets) {
			reasons[i] = atMost(maxPrograms, unique(of), ", ", "others") + ": " + reason
		}
	}
	return reasons
}

// atMost joins the first texts of a list and counts those that it leaves out, whose
// name is given in the plural.
func atMost(most int, texts []string, separator, rest string) string {
	if more := len(texts) - most; more > 0 {
		if more == 1 {
			rest = strings.TrimSuffix(rest, "s")
		}
		texts = append(slices.Clone(texts[:most]), fmt.Sprintf("%d %s", more, rest))
	}
	return strings.Join(texts, separator)
}
