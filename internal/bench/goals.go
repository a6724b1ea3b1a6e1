package main

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
)

// goal is what the project promised itself, and what came of it.
type goal struct {
	what    string
	want    string
	got     string
	reached bool
}

func goalTable(goals []goal) string {
	var out strings.Builder
	out.WriteString("| goal | wanted | measured | |\n|---|--:|--:|---|\n")
	for _, g := range goals {
		verdict := "reached"
		if !g.reached {
			verdict = "**missed**"
		}
		fmt.Fprintf(&out, "| %s | %s | %s | %s |\n", g.what, g.want, g.got, verdict)
	}
	return out.String()
}

// The marks in a document between which the results stand.
const (
	beginMark = "<!-- bench: begin -->\n"
	endMark   = "<!-- bench: end -->\n"
)

// insert puts a text between the marks of a document.
func insert(document, text string) error {
	old, err := os.ReadFile(document)
	if err != nil {
		return fmt.Errorf("writing results: %w", err)
	}
	before, rest, begins := bytes.Cut(old, []byte(beginMark))
	_, after, ends := bytes.Cut(rest, []byte(endMark))
	if !begins || !ends {
		return fmt.Errorf("writing results: %s lacks the lines %q and %q", document, strings.TrimSpace(beginMark), strings.TrimSpace(endMark))
	}
	changed := slices.Concat(before, []byte(beginMark+"\n"+text+"\n"+endMark), after)
	if err := os.WriteFile(document, changed, 0o644); err != nil {
		return fmt.Errorf("writing results: %w", err)
	}
	return nil
}
