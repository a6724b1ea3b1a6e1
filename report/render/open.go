package render

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/netpolltrace/netpolltrace/report"
)

// renderOpen writes who waits now: how many, the keys, the descriptors, and
// the stack below. Times are left out: a snapshot does not know them.
func renderOpen(w io.Writer, r *report.Report, o Options) error {
	t := newTerminal(o)
	limit := o.Top
	if limit == 0 {
		limit = rowsForPeople
	}
	if r.Table.Totals.Open == 0 {
		t.line("No waiting goroutine to show.")
	} else if err := t.table(openGrid(&r.Table, limit)); err != nil {
		return fmt.Errorf("writing table: %w", err)
	}
	_, err := w.Write(t.out.Bytes())
	return err
}

func openGrid(s *report.Table, limit int) grid {
	g := grid{columns: []column{{head: "COUNT"}}}
	g.columns = append(g.columns, keyColumns(s)...)
	keys := len(g.columns) - 1
	g.columns = append(g.columns, column{head: "FD", left: true})
	shown, rest := top(openRows(s.Rows), limit)
	for _, row := range shown {
		cells, below := keyCells(s, row)
		cells = append([]string{report.FormatCount(row.Open)}, cells...)
		g.rows = append(g.rows, gridRow{cells: append(cells, descriptors(row)), below: below})
	}
	if rest.Open > 0 {
		cells := append([]string{report.FormatCount(rest.Open)}, padded(keys, "... others")...)
		g.rows = append(g.rows, gridRow{cells: append(cells, "")})
	}
	return g
}

func openRows(rows []*report.Row) []*report.Row {
	var open []*report.Row
	for _, row := range rows {
		if row.Open > 0 {
			open = append(open, row)
		}
	}
	return open
}

func descriptors(row *report.Row) string {
	var fds []string
	for _, fd := range row.FDs {
		fds = append(fds, strconv.Itoa(int(fd)))
	}
	text := strings.Join(fds, " ")
	if row.MoreFDs {
		text += " " + ellipsis
	}
	return text
}
