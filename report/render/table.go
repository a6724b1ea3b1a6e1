package render

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/pkg/twwarp"
	"github.com/olekukonko/tablewriter/pkg/twwidth"
	"github.com/olekukonko/tablewriter/renderer"
	"github.com/olekukonko/tablewriter/tw"

	"github.com/netpolltrace/netpolltrace/report"
)

// renderTable writes a report for a terminal, or for whoever reads text.
func renderTable(w io.Writer, r *report.Report, o Options) error {
	t := newTerminal(o)
	d := newDocument(r, o)
	for _, line := range t.lines(strings.Join(d.header, "  "), "  ") {
		t.strong(line)
	}
	for _, line := range d.alerts {
		t.alert(line)
	}
	for _, line := range d.remarks {
		t.wrapped(line, "  ")
	}
	t.findings(d.findings)
	for _, g := range d.grids {
		t.line("")
		if err := t.grid(g); err != nil {
			return fmt.Errorf("writing table: %w", err)
		}
	}
	for _, line := range d.footer {
		t.wrapped(line, "  ")
	}
	_, err := w.Write(t.out.Bytes())
	return err
}

// Widths, in columns of the terminal.
const (
	proseWidth = 120 // of sentences that are not for a terminal
	// Names keep so much before numbers are left out.
	minimalName = 16 // clients of :8080
	minimalPath = 28 // a function and a line
)

// terminal writes lines that fit.
type terminal struct {
	out   bytes.Buffer
	width int // of sentences
	names int // of tables, and of names and paths: text that is for no terminal cuts none
	color bool
}

func newTerminal(o Options) *terminal {
	if o.Width <= 0 {
		return &terminal{width: proseWidth, names: math.MaxInt32, color: o.Color}
	}
	return &terminal{width: o.Width, names: o.Width, color: o.Color}
}

// line writes text that comes from us or is escaped already.
func (t *terminal) line(text string) {
	t.out.WriteString(strings.TrimRight(text, " "))
	t.out.WriteByte('\n')
}

// The escape sequences for colours (ECMA-48, select graphic rendition).
const (
	colorStrong = "\x1b[1m"
	colorAlert  = "\x1b[1;31m"
	colorOff    = "\x1b[0m"
)

func (t *terminal) strong(text string) { t.colored(colorStrong, text) }

func (t *terminal) alert(text string) {
	for _, line := range t.lines(text, "") {
		t.colored(colorAlert, line)
	}
}

func (t *terminal) colored(color, text string) {
	if t.color {
		text = color + text + colorOff
	}
	t.line(text)
}

// wrapped writes text in lines of which all but the first are indented.
func (t *terminal) wrapped(text, indent string) {
	for _, line := range t.lines(text, indent) {
		t.line(line)
	}
}

// lines escapes a text and breaks it where it is too long. All but the first
// line are indented.
func (t *terminal) lines(text, indent string) []string {
	text = Printable(text)
	if twwidth.Width(text) <= t.width {
		return []string{text}
	}
	lines := t.wrap(text, t.width-len(indent))
	for i := range lines[1:] {
		lines[1+i] = indent + lines[1+i]
	}
	return lines
}

// wrap breaks a text between words, and shortens a word that fits on no line of a
// terminal.
func (t *terminal) wrap(text string, width int) []string {
	width = max(width, minimalName)
	words := strings.Fields(text)
	for i, word := range words {
		words[i] = keepEnds(word, width+t.names-t.width)
	}
	lines, _ := twwarp.WrapString(strings.Join(words, " "), width)
	return lines
}

// findings writes each with its number, and what it says beside its title.
func (t *terminal) findings(findings []report.Finding) {
	margin := 0
	for i, f := range findings {
		margin = max(margin, len(fmt.Sprintf("%d %s  ", i+1, Printable(f.Title))))
	}
	indent := strings.Repeat(" ", margin)
	for i, f := range findings {
		first := fmt.Sprintf("%d %s", i+1, strings.ToUpper(Printable(f.Title)))
		first += strings.Repeat(" ", max(0, margin-len(first)))
		if t.color {
			first = colorStrong + first + colorOff
		}
		for _, sentence := range f.Sentences {
			for _, line := range t.wrap(Printable(sentence), t.width-margin) {
				t.line(first + line)
				first = indent
			}
		}
	}
}

func (t *terminal) grid(g grid) error {
	if g.empty != "" {
		t.line(g.empty)
	} else if err := t.table(g); err != nil {
		return err
	}
	for _, line := range g.after {
		t.wrapped(line, "  ")
	}
	return nil
}

func (t *terminal) table(g grid) error {
	columns, rows := t.fit(g)
	lines, err := layOut(columns, rows)
	if err != nil {
		return err
	}
	t.strong(strings.TrimRight(lines[0], " "))
	for i, row := range rows {
		t.line(lines[i+1])
		t.under(row)
	}
	return nil
}

// Where notes begin: beside what stands under a row, and on lines of their own.
const (
	noteColumn = 42
	noteIndent = 4
)

// under writes what stands under a row. The first note goes beside the first line if
// both fit.
func (t *terminal) under(row gridRow) {
	notes := row.notes
	for i, text := range row.below {
		line := "  " + keepTail(Printable(text), t.names-2)
		if i == 0 && len(notes) > 0 {
			beside := pad(line, noteColumn-2) + "  " + Printable(notes[0])
			if twwidth.Width(beside) <= t.width {
				line, notes = beside, notes[1:]
			}
		}
		t.line(line)
	}
	for _, text := range notes {
		for _, line := range t.wrap(Printable(text), t.width-noteIndent) {
			t.line(strings.Repeat(" ", noteIndent) + line)
		}
	}
}

// pad fills a text up to a width.
func pad(text string, width int) string {
	return text + strings.Repeat(" ", max(0, width-twwidth.Width(text)))
}

// layOut has the library align the cells: a line for the heads and one for
// each row.
func layOut(columns []column, rows []gridRow) ([]string, error) {
	var out bytes.Buffer
	plain := tw.Rendition{
		Borders:  tw.BorderNone,
		Symbols:  tw.NewSymbols(tw.StyleNone),
		Settings: tw.Settings{Separators: tw.SeparatorsNone, Lines: tw.LinesNone},
	}
	table := newTable(&out, renderer.NewBlueprint(plain), columns, gaps(columns))
	table.Header(heads(columns))
	for _, row := range rows {
		if err := table.Append(row.cells); err != nil {
			return nil, err
		}
	}
	if err := table.Render(); err != nil {
		return nil, err
	}
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	if len(lines) != len(rows)+1 {
		return nil, fmt.Errorf("laying out %d rows gave %d lines", len(rows), len(lines))
	}
	return lines, nil
}

// gaps is what stands behind each column: two spaces, but only one where the
// next head goes on with a sum.
func gaps(columns []column) tw.CellPadding {
	var padding tw.CellPadding
	for i := range columns {
		gap := "  "
		if i+1 < len(columns) && columns[i+1].part != "" {
			gap = " "
		}
		padding.PerColumn = append(padding.PerColumn, tw.Padding{Right: gap, Overwrite: true})
	}
	return padding
}

// newTable configures the library to leave the texts alone.
func newTable(w io.Writer, r tw.Renderer, columns []column, padding tw.CellPadding) *tablewriter.Table {
	var align []tw.Align
	for _, c := range columns {
		if c.left {
			align = append(align, tw.AlignLeft)
		} else {
			align = append(align, tw.AlignRight)
		}
	}
	cells := tw.CellConfig{
		Alignment:  tw.CellAlignment{PerColumn: align},
		Padding:    padding,
		Formatting: tw.CellFormatting{AutoWrap: tw.WrapNone, AutoFormat: tw.Off},
	}
	return tablewriter.NewTable(w, tablewriter.WithRenderer(r), tablewriter.WithConfig(tablewriter.Config{
		Header:   cells,
		Row:      cells,
		Behavior: tw.Behavior{TrimSpace: tw.Off, AutoHide: tw.Off},
	}))
}

// fit makes the table as wide as the terminal at most: it moves units from the
// cells to the head, then leaves out the columns that can be spared, then
// shortens names. The cells that it returns are escaped.
func (t *terminal) fit(g grid) ([]column, []gridRow) {
	columns, rows := slices.Clone(g.columns), escaped(g.rows)
	if g.title != "" {
		columns[0].head = strings.ToUpper(g.title)
	}
	withUnits(columns, rows)
	if t.room(columns, rows) < 0 {
		columns, rows = unitInHead(columns), escaped(g.rows)
	}
	if g.shares != nil {
		rows = append(rows, gridRow{cells: g.shares})
	}
	for {
		room, spare := t.room(columns, rows), sparest(columns)
		if room >= 0 || spare < 0 {
			shorten(columns, rows, measure(columns, rows), room)
			return columns, rows
		}
		columns, rows = without(columns, rows, spare)
	}
}

// room is how many columns of the terminal are left beside the numbers and
// names of the minimal width.
func (t *terminal) room(columns []column, rows []gridRow) int {
	room := t.names
	padding := gaps(columns).PerColumn
	for i, width := range measure(columns, rows) {
		if columns[i].left {
			width = min(width, minimal(columns[i]))
		}
		if i > 0 {
			room -= len(padding[i-1].Right)
		}
		room -= width
	}
	return room
}

// minimal is the width that a column of names keeps.
func minimal(c column) int {
	if c.path {
		return minimalPath
	}
	return minimalName
}

// unitInHead says the unit of all sums once, at the total.
func unitInHead(columns []column) []column {
	said := slices.Clone(columns)
	for i, c := range said {
		if c.unit != "" && c.part == "" {
			said[i].head += " " + c.unit
		}
	}
	return said
}

func escaped(rows []gridRow) []gridRow {
	clean := make([]gridRow, len(rows))
	for i, row := range rows {
		clean[i].below, clean[i].notes = row.below, row.notes
		for _, cell := range row.cells {
			clean[i].cells = append(clean[i].cells, Printable(cell))
		}
	}
	return clean
}

// measure gives the width of each column.
func measure(columns []column, rows []gridRow) []int {
	widths := make([]int, len(columns))
	for i, head := range heads(columns) {
		widths[i] = twwidth.Width(head)
		for _, row := range rows {
			widths[i] = max(widths[i], twwidth.Width(row.cells[i]))
		}
	}
	return widths
}

// sparest is the column to leave out first, or -1.
func sparest(columns []column) int {
	found := -1
	for i, c := range columns {
		if c.spare > 0 && (found < 0 || c.spare > columns[found].spare) {
			found = i
		}
	}
	return found
}

func without(columns []column, rows []gridRow, i int) ([]column, []gridRow) {
	narrower := make([]gridRow, len(rows))
	for j, row := range rows {
		narrower[j] = gridRow{cells: slices.Delete(slices.Clone(row.cells), i, i+1), below: row.below, notes: row.notes}
	}
	return slices.Delete(slices.Clone(columns), i, i+1), narrower
}

// shorten cuts names so that their columns take no more than the minimal width
// and the room, the widest first.
func shorten(columns []column, rows []gridRow, widths []int, room int) {
	over := -room
	for i, c := range columns {
		if c.left {
			over += max(0, widths[i]-minimal(c))
		}
	}
	for ; over > 0; over-- {
		widest := -1
		for i, c := range columns {
			if c.left && (widest < 0 || widths[i] > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 || widths[widest] <= 1 {
			break
		}
		widths[widest]--
	}
	for i, c := range columns {
		if !c.left {
			continue
		}
		cut := keepEnds
		if c.path {
			cut = keepTail
		}
		columns[i].head = cut(c.head, widths[i])
		for _, row := range rows {
			row.cells[i] = cut(row.cells[i], widths[i])
		}
	}
}
