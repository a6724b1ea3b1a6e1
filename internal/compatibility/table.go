// Package compatibility keeps the tables of docs/compatibility.md, which tests write:
// what was tried, in rows and columns, and how it went.
package compatibility

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
)

// Table is one table of the document, between two comments that name it. It is
// Markdown; its first column names the rows.
type Table struct {
	file, name string
	columns    []string
	rows       map[string][]string // cells by the row's name, in the order of columns
}

// none is in the cells that were never tried.
const none = "–"

// Read reads the named table of a file, with these columns: what the file has
// of others is dropped.
func Read(file, name string, columns ...string) (*Table, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading table %s: %w", name, err)
	}
	t := &Table{file: file, name: name, columns: columns, rows: make(map[string][]string)}
	_, body, _, err := t.split(text)
	if err != nil {
		return nil, err
	}
	var header []string
	for line := range strings.Lines(string(body)) {
		cells := cellsOf(line)
		switch {
		case cells == nil || strings.HasPrefix(cells[0], "---"):
		case header == nil:
			header = cells
		default:
			for i, cell := range cells[1:] {
				if i+1 < len(header) {
					t.Set(cells[0], header[i+1], cell)
				}
			}
		}
	}
	return t, nil
}

// Set fills in one cell. Columns that the table does not have are ignored.
func (t *Table) Set(row, column, value string) {
	at := slices.Index(t.columns, column)
	if at < 0 {
		return
	}
	if t.rows[row] == nil {
		t.rows[row] = slices.Repeat([]string{none}, len(t.columns))
	}
	t.rows[row][at] = strings.ReplaceAll(value, "|", "/")
}

// Write puts the table into its file, its rows in the order that less gives
// their names.
func (t *Table) Write(compare func(a, b string) int) error {
	text, err := os.ReadFile(t.file)
	if err != nil {
		return fmt.Errorf("writing table %s: %w", t.name, err)
	}
	before, _, after, err := t.split(text)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	out.Write(before)
	fmt.Fprintf(&out, "\n\n| | %s |\n|%s\n", strings.Join(t.columns, " | "), strings.Repeat("---|", len(t.columns)+1))
	names := make([]string, 0, len(t.rows))
	for name := range t.rows {
		names = append(names, name)
	}
	slices.SortFunc(names, compare)
	for _, name := range names {
		fmt.Fprintf(&out, "| %s | %s |\n", name, strings.Join(t.rows[name], " | "))
	}
	out.WriteByte('\n')
	out.Write(after)
	if err := os.WriteFile(t.file, out.Bytes(), 0o644); err != nil {
		return fmt.Errorf("writing table %s: %w", t.name, err)
	}
	return nil
}

// split cuts the file's text before and after the table; the comments that
// name it belong to the outer parts.
func (t *Table) split(text []byte) (before, body, after []byte, err error) {
	begin := fmt.Appendf(nil, "<!-- %s: begin -->", t.name)
	end := fmt.Appendf(nil, "<!-- %s: end -->", t.name)
	from, to := bytes.Index(text, begin), bytes.Index(text, end)
	if from < 0 || to < from {
		return nil, nil, nil, fmt.Errorf("%s has no table %q: it stands between the lines %s and %s", t.file, t.name, begin, end)
	}
	from += len(begin)
	return text[:from], text[from:to], text[to:], nil
}

// cellsOf are the cells of a line of a table, nil for any other line.
func cellsOf(line string) []string {
	line = strings.TrimSpace(line)
	if !strings.HasPrefix(line, "|") {
		return nil
	}
	cells := strings.Split(strings.Trim(line, "|"), "|")
	for i := range cells {
		cells[i] = strings.TrimSpace(cells[i])
	}
	return cells
}
