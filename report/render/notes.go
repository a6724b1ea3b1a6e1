package render

import (
	"fmt"
	"slices"
	"time"

	"github.com/netpolltrace/netpolltrace/report"
	"github.com/netpolltrace/netpolltrace/wait"
)

// maxNamedCallers is how many callers of a line are named.
const maxNamedCallers = 3

// littlePart is the part of a row's time below which nobody is said to have kept
// it waiting: a tenth.
const littlePart = 10

// notes say what else is known of a row that has a line: how it waited, who kept it
// waiting and who called it.
func notes(s *report.Table, row *report.Row) []string {
	if row.Other || !slices.ContainsFunc(s.By, func(k report.KeyInfo) bool { return k.Name == report.KeyLine }) {
		return nil
	}
	var list []string
	if text := holderText(row); text != "" {
		list = append(list, text)
	} else if row.Stack != nil && row.Stack.Via != "" {
		list = append(list, "via "+report.ShortFunc(row.Stack.Via))
	}
	if text := callersText(row); text != "" {
		list = append(list, text)
	}
	if s.Screen && row.Key[0] == string(wait.ForMain) && servesRequests(s) {
		list = append(list, "for main")
	}
	return list
}

// servesRequests tells whether some of the waits were for a request.
func servesRequests(s *report.Table) bool {
	return slices.ContainsFunc(s.Rows, func(r *report.Row) bool { return !r.Other && r.Key[0] == string(wait.ForRequest) })
}

// holderText says who kept a row's waits waiting.
func holderText(row *report.Row) string {
	h := row.Holder.Of
	if h.Line == "" || row.Holder.Time < row.Shown.Total/littlePart {
		return ""
	}
	text := report.ShortLine(h.Func, h.Line)
	switch {
	case row.InUse > 0:
		text = fmt.Sprintf("at least %d in use, longest by %s", row.InUse, text)
	case h.Held:
		text = "held by " + text
	default:
		text = "through " + text
	}
	if h.For != "" {
		text += ", waiting for " + h.For
	}
	return text
}

// callersText names who called the row's function, with their shares of the time,
// where there are several.
func callersText(row *report.Row) string {
	if len(row.Callers) < 2 {
		return ""
	}
	var all time.Duration
	chains := make([][]string, len(row.Callers))
	for i, caller := range row.Callers {
		all += caller.Time
		chains[i] = wait.Unfold(caller.Of)
	}
	shared := sharedEnd(chains)
	times := make(map[string]time.Duration)
	var names []string // in the order of their chains, the longest first
	for i, functions := range chains {
		name := report.ShortFunc(functions[max(0, len(functions)-shared-1)])
		if _, known := times[name]; !known {
			names = append(names, name)
		}
		times[name] += row.Callers[i].Time
	}
	var texts []string
	for _, name := range names {
		texts = append(texts, name+" "+share(times[name], all))
	}
	return "from " + atMost(maxNamedCallers, texts, ", ", "others")
}

// sharedEnd is how many functions are the same at the ends of all chains.
func sharedEnd(chains [][]string) int {
	for n := 0; ; n++ {
		for _, c := range chains {
			if n >= len(c) || c[len(c)-1-n] != chains[0][len(chains[0])-1-n] {
				return n
			}
		}
	}
}
