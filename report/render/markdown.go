package render

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/olekukonko/tablewriter/renderer"
	"github.com/olekukonko/tablewriter/tw"

	"github.com/netpolltrace/netpolltrace/report"
)

// renderMarkdown writes a report for a pull request or a CI summary.
func renderMarkdown(w io.Writer, r *report.Report, o Options) error {
	var out bytes.Buffer
	d := newDocument(r, o)
	fmt.Fprintf(&out, "**%s**\n", markdownSafe(strings.Join(d.header, " · ")))
	for _, line := range d.alerts {
		fmt.Fprintf(&out, "\n> **%s**\n", markdownSafe(line))
	}
	list(&out, d.remarks)
	for i, f := range d.findings {
		if i == 0 {
			out.WriteByte('\n')
		}
		fmt.Fprintf(&out, "%d. **%s**: %s\n", i+1, markdownSafe(f.Title), markdownSafe(strings.Join(f.Sentences, " ")))
	}
	for _, g := range d.grids {
		if err := markdownGrid(&out, g); err != nil {
			return fmt.Errorf("writing table: %w", err)
		}
	}
	list(&out, d.footer)
	_, err := w.Write(out.Bytes())
	return err
}

func list(out *bytes.Buffer, lines []string) {
	for i, line := range lines {
		if i == 0 {
			out.WriteByte('\n')
		}
		fmt.Fprintf(out, "- %s\n", markdownSafe(line))
	}
}

func markdownGrid(out *bytes.Buffer, g grid) error {
	if g.title != "" {
		fmt.Fprintf(out, "\n## %s\n", markdownSafe(g.title))
	}
	out.WriteByte('\n')
	if g.empty != "" {
		fmt.Fprintf(out, "%s\n", markdownSafe(g.empty))
		list(out, g.after)
		return nil
	}
	space := tw.CellPadding{Global: tw.Padding{Left: " ", Right: " ", Overwrite: true}}
	table := newTable(out, renderer.NewMarkdown(), g.columns, space)
	table.Header(heads(g.columns))
	rows := escaped(g.rows)
	withUnits(g.columns, rows)
	if g.shares != nil {
		rows = append(rows, gridRow{cells: g.shares})
	}
	for _, row := range rows {
		var cells []string
		for i, cell := range row.cells {
			text := markdownSafe(cell)
			if i == 0 {
				for _, below := range slices.Concat(row.below, row.notes) {
					text += "<br>" + markdownSafe(below)
				}
			}
			cells = append(cells, text)
		}
		if err := table.Append(cells); err != nil {
			return err
		}
	}
	if err := table.Render(); err != nil {
		return err
	}
	list(out, g.after)
	return nil
}
