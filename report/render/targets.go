package render

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/netpolltrace/netpolltrace/report"
	"github.com/netpolltrace/netpolltrace/wait"
)

// header says in a line what was recorded, and how.
func header(r *report.Report) []string {
	words := programs(r)
	versions := distinct(r.Targets, func(t *report.Target) string { return t.Go })
	if len(versions) > 0 {
		words = append(words, strings.Join(versions, ", "))
	}
	words = append(words, seconds(r.Events.Seconds))
	if text := modes(r.Targets); text != "" {
		words = append(words, text)
	}
	words = append(words, "lost "+report.FormatCount(r.Events.Lost))
	for i := range r.Metas {
		if text := r.Metas[i].Unverified; text != "" {
			return append(words, text)
		}
	}
	return words
}

// maxNamed is how many processes are named in one line.
const maxNamed = 4

// programs names the programs with the PIDs of their processes, or says how
// many there are. Of several recordings it says how many, and no PIDs.
func programs(r *report.Report) []string {
	targets := processes(r.Targets)
	names := distinct(targets, programName)
	several := len(r.Metas) > 1
	switch {
	case len(names) == 0:
		names = []string{"(unknown program)"}
	case len(names) > 1 && !several && len(targets) <= maxNamed:
		for i, name := range names {
			names[i] += " (" + pids(targets, name) + ")"
		}
		return []string{strings.Join(names, ", ")}
	case len(names) > maxNamed:
		names = []string{fmt.Sprintf("%d programs", len(names))}
	}
	words := []string{strings.Join(names, ", ")}
	switch {
	case several:
		return append(words, fmt.Sprintf("%d recordings", len(r.Metas)))
	case len(targets) > maxNamed:
		return append(words, fmt.Sprintf("%d processes", len(targets)))
	}
	if text := pids(targets, ""); text != "" {
		words = append(words, text)
	}
	return words
}

// pids lists the PIDs of a program, or of all if none is named.
func pids(targets []report.Target, program string) string {
	numbers := distinct(targets, func(t *report.Target) string {
		if t.PID <= 0 || program != "" && programName(t) != program {
			return ""
		}
		return strconv.Itoa(t.PID)
	})
	switch len(numbers) {
	case 0:
		return ""
	case 1:
		return "pid " + numbers[0]
	}
	return "pids " + strings.Join(numbers, ", ")
}

// modes lists the modes in which something was recorded; empty if they are not
// known.
func modes(targets []report.Target) string {
	var names []string
	for _, t := range targets {
		for _, span := range t.Modes {
			names = append(names, string(span.Mode))
		}
	}
	switch names = unique(names); len(names) {
	case 0:
		return ""
	case 1:
		return "mode " + names[0]
	}
	return "modes " + strings.Join(names, ", ")
}

// distinct lists what targets have, each once and without what is empty.
func distinct(targets []report.Target, what func(*report.Target) string) []string {
	var texts []string
	for i := range targets {
		if text := what(&targets[i]); text != "" {
			texts = append(texts, text)
		}
	}
	return unique(texts)
}

// unique keeps the first of equal texts.
func unique(texts []string) []string {
	var kept []string
	for _, text := range texts {
		if !slices.Contains(kept, text) {
			kept = append(kept, text)
		}
	}
	return kept
}

func programName(t *report.Target) string {
	if t.Exe == "" {
		return ""
	}
	return path.Base(t.Exe)
}

// costLine says what the probes cost; empty where somebody else's tracer
// recorded.
func costLine(r *report.Report) string {
	if len(r.Metas) == 0 || imported(r.Targets) {
		return ""
	}
	line := "Cost to the target: "
	if len(processes(r.Targets)) > 1 {
		line = "Cost to the targets: "
	}
	if r.Events.Overhead < 0 {
		return line + "not measured."
	}
	return line + percent(r.Events.Overhead) + " CPU" + costs(r) + "."
}

// costs tells the cost of each process of a recording that has several.
func costs(r *report.Report) string {
	all := processes(r.Targets)
	if len(r.Metas) > 1 || len(all) < 2 || len(all) > maxNamed {
		return ""
	}
	var each []string
	measured := false
	for _, t := range all {
		cost := "not measured"
		if t.Overhead >= 0 {
			cost, measured = percent(t.Overhead), true
		}
		each = append(each, targetName(all, t)+" "+cost)
	}
	if !measured {
		return ""
	}
	return " (" + strings.Join(each, ", ") + ")"
}

// processes keeps the first of the targets that are one process, which ran its
// program again (exec), or was recorded for several times.
func processes(targets []report.Target) []report.Target {
	type process struct {
		recording, pid int
		name           string
	}
	var kept []report.Target
	known := make(map[process]bool)
	for _, t := range targets {
		id := process{t.Recording, t.PID, programName(&t)}
		if !known[id] {
			kept = append(kept, t)
		}
		known[id] = true
	}
	return kept
}

// targetName names a target among others: by its PID too, where several have
// its name.
func targetName(targets []report.Target, t report.Target) string {
	name := programName(&t)
	if strings.Contains(pids(targets, name), ",") {
		name += " " + strconv.Itoa(t.PID)
	}
	return name
}

func percent(p float64) string { return report.FormatNumber(p, 1) + " %" }

// imported tells whether somebody else's tracer made all recordings.
func imported(targets []report.Target) bool {
	for _, t := range targets {
		if t.Mode != wait.ModeImport {
			return false
		}
	}
	return len(targets) > 0
}
