// Package export writes waits one by one, for other tools: a row of [Formats] for
// each kind of file. What takes groups of waits instead is a renderer of reports.
//
// What each wait is told by is the table of package column. Names and texts come
// from the traced program and are untrusted; each format escapes them.
package export

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/netpolltrace/netpolltrace/wait"
)

// Writer writes the waits that it is given. Close writes what is left, and leaves
// open what it writes to.
type Writer interface {
	wait.Sink
	io.Closer
}

// Format is a format in which waits are written.
type Format struct {
	Name       string
	Extensions []string // of files in this format, with the dot
	New        func(io.Writer) Writer
}

// Formats returns the table of formats.
func Formats() []Format {
	return []Format{
		{Name: "jsonl", Extensions: []string{".jsonl", ".ndjson"}, New: newJSONLines},
	}
}

// Names are those of the formats.
func Names() []string {
	var names []string
	for _, f := range Formats() {
		names = append(names, f.Name)
	}
	return names
}

// Extensions are those of the files that waits can be written to.
func Extensions() []string {
	var known []string
	for _, f := range Formats() {
		known = append(known, f.Extensions...)
	}
	return known
}

// ByName finds a format. Its error says which there are.
func ByName(name string) (Format, error) {
	for _, f := range Formats() {
		if f.Name == name {
			return f, nil
		}
	}
	return Format{}, fmt.Errorf("unknown format %q; formats: %s", name, strings.Join(Names(), ", "))
}

// ByPath finds the format of a file by the extension of its name.
func ByPath(path string) (Format, error) {
	for _, f := range Formats() {
		if slices.Contains(f.Extensions, filepath.Ext(path)) {
			return f, nil
		}
	}
	return Format{}, fmt.Errorf("no export has the extension of %q; extensions: %s", path, strings.Join(Extensions(), " "))
}
