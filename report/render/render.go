// Package render writes reports: one row of [Formats] for each way to write
// them. Everything in a report that comes from a recording or its target
// (names, addresses, notes) is untrusted, and each format escapes it.
package render

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/netpolltrace/netpolltrace/report"
)

// Options says how a report is to be written. What a format has no use for it
// leaves alone.
type Options struct {
	// Width is the number of columns of the terminal; 0 if it is not one.
	Width int
	// Color allows escape sequences for colours.
	Color bool
	// Top is how many rows of a table are shown, the others being added
	// up in one. 0 is the format's own choice: 20 for people, all for
	// programs. Less than 0 means all.
	Top int
	// Value is what a folded stack weighs: one of [Values]. Empty means total.
	Value string
}

// Format is one way to write a report.
type Format struct {
	Name       string
	Extensions []string // of files in this format, with the dot
	// By is what waits should be grouped by for this format if nobody says
	// otherwise; nil leaves that to the report.
	By []report.Key
	// Sort is the order that suits the format; empty leaves it to the report.
	Sort string
	// FDs tells that the format names the descriptors of open waits.
	FDs bool
	// Weighs tells that the format has a use for [Options.Value].
	Weighs bool
	Render func(io.Writer, *report.Report, Options) error
}

// Formats returns the table of formats.
func Formats() []Format {
	return []Format{
		{Name: "table", Extensions: []string{".txt"}, Render: renderTable},
		{Name: "markdown", Extensions: []string{".md"}, Render: renderMarkdown},
		{Name: "json", Extensions: []string{".json"}, Render: renderJSON},
		{Name: "csv", Extensions: []string{".csv"}, Render: renderCSV},
		{Name: "folded", Extensions: []string{".folded"}, By: []report.Key{report.KeyStack}, Weighs: true, Render: renderFolded},
		{Name: "open", By: []report.Key{report.KeyReason, report.KeyPeer, report.KeyStack}, Sort: "open", FDs: true, Render: renderOpen},
	}
}

// ByName finds a format. Its error says which there are.
func ByName(name string) (Format, error) {
	var names []string
	for _, f := range Formats() {
		if f.Name == name {
			return f, nil
		}
		names = append(names, f.Name)
	}
	return Format{}, fmt.Errorf("unknown format %q; formats: %s", name, strings.Join(names, ", "))
}

// Extensions are those of the files that a report can be written to.
func Extensions() []string {
	var known []string
	for _, f := range Formats() {
		known = append(known, f.Extensions...)
	}
	return known
}

// ByPath finds the format of a file by the extension of its name.
func ByPath(path string) (Format, error) {
	extension := filepath.Ext(path)
	for _, f := range Formats() {
		if slices.Contains(f.Extensions, extension) {
			return f, nil
		}
	}
	return Format{}, fmt.Errorf("no format has the extension of %q; extensions: %s", path, strings.Join(Extensions(), " "))
}

// rowsForPeople is how many rows a person is shown unless told otherwise.
const rowsForPeople = 20

// top cuts the rows to those that are to be shown, and adds up the others.
func top(rows []*report.Row, limit int) (shown []*report.Row, rest report.Row) {
	rest = report.NoWaits()
	if limit < 0 || len(rows) <= limit {
		return rows, rest
	}
	for _, row := range rows[limit:] {
		rest = rest.Plus(row)
	}
	return rows[:limit], rest
}
