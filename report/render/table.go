package render

import (
	"bytes"
	"fmt"
	"io"
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
	t.strong(strings.Join(d.header, "  "))
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
	t.line("")
	for _, line := range d.footer {
		t.wrapped(line, "  ")
	}
	_, err := w.Write(t.out.Bytes())
	return err
}

// Widths of what is not asked for: text that is not for a terminal, and the
// column for names in a table that would fit with less.
const (
	unlimitedWidth = 120
	minimalName    = 14
)

// terminal writes lines that fit.
type terminal struct {
	out   bytes.Buffer
	width int
	color bool
}

func newTerminal(o Options) *terminal {
	t := &terminal{width: o.Width, color: o.Color}
	if t.width <= 0 {
		t.width = unlimitedWidth
	}
	return t
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

func (t *terminal) strong(text string) { t.colored(colorStrong, printable(text)) }

func (t *terminal) alert(text string) {
	for _, line := range wrap(printable(text), t.width) {
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
	for i, line := range wrap(printable(text), t.width-len(indent)) {
		if i > 0 {
			line = indent + line
		}
		t.line(line)
	}
}

func wrap(text string, width int) []string {
	lines, _ := twwarp.WrapString(text, max(width, 20))
	return lines
}

// findings writes each with its number, and what it says beside its title.
func (t *terminal) findings(findings []report.Finding) {
	margin := 0
	for i, f := range findings {
		margin = max(margin, len(fmt.Sprintf("%d %s  ", i+1, f.Title)))
	}
	indent := strings.Repeat(" ", margin)
	for i, f := range findings {
		first := fmt.Sprintf("%d %s", i+1, strings.ToUpper(f.Title))
		first += strings.Repeat(" ", max(0, margin-len(first)))
		if t.color {
			first = colorStrong + first + colorOff
		}
		for _, sentence := range f.Sentences {
			for _, line := range wrap(printable(sentence), t.width-margin) {
				t.line(first + line)
				first = indent
			}
		}
	}
}

func (t *terminal) grid(g grid) error {
	if g.empty != "" {
		if g.title != "" {
			t.strong(strings.ToUpper(g.title))
		}
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
		for _, text := range row.below {
			t.line("  " + keepTail(printable(text), t.width-2))
		}
	}
	return nil
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
	gap := tw.CellPadding{Global: tw.Padding{Right: columnGap, Overwrite: true}}
	table := newTable(&out, renderer.NewBlueprint(plain), columns, gap)
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

// columnGap is what stands between two columns.
const columnGap = "  "

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

// fit leaves out the columns that can be spared and shortens names, so that
// the table is as wide as the terminal at most. Its cells are escaped.
func (t *terminal) fit(g grid) ([]column, []gridRow) {
	columns, rows := g.columns, escaped(g.rows)
	for {
		widths := measure(columns, rows)
		names, others := 0, 0
		for i, c := range columns {
			if c.left {
				names++
			} else {
				others += widths[i] + len(columnGap)
			}
		}
		room := t.width - others + len(columnGap)
		spare := sparest(columns)
		if spare < 0 || room >= names*(minimalName+len(columnGap)) {
			shorten(columns, rows, widths, max(room, names*(minimalName+len(columnGap))))
			return columns, rows
		}
		columns, rows = without(columns, rows, spare)
	}
}

func escaped(rows []gridRow) []gridRow {
	clean := make([]gridRow, len(rows))
	for i, row := range rows {
		clean[i].below = row.below
		for _, cell := range row.cells {
			clean[i].cells = append(clean[i].cells, printable(cell))
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
	fewer := append(append([]column(nil), columns[:i]...), columns[i+1:]...)
	narrower := make([]gridRow, len(rows))
	for j, row := range rows {
		cells := append(append([]string(nil), row.cells[:i]...), row.cells[i+1:]...)
		narrower[j] = gridRow{cells: cells, below: row.below}
	}
	return fewer, narrower
}

// shorten cuts names so that their columns fit into room, the widest first.
func shorten(columns []column, rows []gridRow, widths []int, room int) {
	for i, c := range columns {
		if c.left {
			room -= widths[i] + len(columnGap)
		}
	}
	for room < 0 {
		widest := 0
		for i, c := range columns {
			if c.left && widths[i] > widths[widest] {
				widest = i
			}
		}
		widths[widest]--
		room++
	}
	for i, c := range columns {
		if !c.left {
			continue
		}
		cut := keepEnds
		if c.path {
			cut = keepTail
		}
		for _, row := range rows {
			row.cells[i] = cut(row.cells[i], widths[i])
		}
	}
}
