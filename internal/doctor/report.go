package doctor

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// reportVersion is the version of the report's JSON form.
const reportVersion = 1

// State is how good a finding is.
type State string

// The states of a finding.
const (
	OK   State = "ok"
	Note State = "note" // neither good nor bad
	Warn State = "warn" // recordings will lack something
	Fail State = "fail" // something cannot be recorded at all
)

// Finding is what came of one check.
type Finding struct {
	Name   string    `json:"name"`
	State  State     `json:"state"`
	Detail string    `json:"detail,omitempty"`
	Fix    string    `json:"fix,omitempty"` // what to do about it
	Parts  []Finding `json:"parts,omitempty"`
}

// Section is the findings about one area.
type Section struct {
	Name     string    `json:"name"`
	Findings []Finding `json:"findings"`
}

// Report is what the doctor has to say. Its texts may hold names of a stranger;
// the methods that write it make them safe to print.
type Report struct {
	Version  int       `json:"version"` // of this form, 1
	Of       string    `json:"of"`      // the process; "this machine" if none was given
	Sections []Section `json:"sections"`
	// Recordable lists the modes in which something can be recorded: of the
	// process, if one was given.
	Recordable []string `json:"recordable"`
}

// WriteJSON writes the report as one JSON object.
func (r *Report) WriteJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(r)
}

// marks are the states as they are printed.
var marks = map[State]string{OK: "ok", Note: "-", Warn: "warn", Fail: "FAIL"}

// WriteText writes the report for people.
func (r *Report) WriteText(w io.Writer) error {
	var b strings.Builder
	for i, section := range r.Sections {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "%s\n", strings.ToUpper(section.Name))
		writeFindings(&b, section.Findings, nameWidth(section.Findings, ""), "")
	}
	fmt.Fprintf(&b, "\n%s\n", r.Verdict())
	_, err := io.WriteString(w, b.String())
	return err
}

// indent is how far the name of a part stands behind that of the whole.
const indent = "  "

func writeFindings(b *strings.Builder, findings []Finding, width int, depth string) {
	for i := range findings {
		f := &findings[i]
		name := depth + printable(f.Name)
		fmt.Fprintf(b, "  %-4s  %s%s  %s\n", marks[f.State], name,
			strings.Repeat(" ", max(0, width-utf8.RuneCountInString(name))), printable(f.Detail))
		if f.Fix != "" {
			fmt.Fprintf(b, "        %s  fix: %s\n", strings.Repeat(" ", width), printable(f.Fix))
		}
		writeFindings(b, f.Parts, width, depth+indent)
	}
}

// widestName bounds the column of names, in characters: a longer one pushes its
// own line to the right, not all of them.
const widestName = 40

// nameWidth is the width of the column of names.
func nameWidth(findings []Finding, depth string) int {
	width := 0
	for i := range findings {
		own := len(depth) + utf8.RuneCountInString(printable(findings[i].Name))
		if own <= widestName {
			width = max(width, own)
		}
		width = max(width, nameWidth(findings[i].Parts, depth+indent))
	}
	return width
}

// Verdict is the report in one line.
func (r *Report) Verdict() string {
	of := printable(r.Of)
	if len(r.Recordable) == 0 {
		return "Of " + of + " nothing can be recorded: fix what is marked FAIL, from the top."
	}
	return "Of " + of + " can be recorded: " + strings.Join(r.Recordable, ", ") + "."
}

// printable replaces what could act on a terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if strconv.IsPrint(r) {
			return r
		}
		return '?'
	}, text)
}
