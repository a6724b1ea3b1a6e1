package render

import (
	"encoding/csv"
	"io"
	"strconv"
	"strings"

	"github.com/netpolltrace/netpolltrace/report"
)

// renderCSV writes one header and one line a row, as RFC 4180 has it: the keys
// of the table, then the measures of JSON, in nanoseconds. What was not
// measured is empty.
//
// A spreadsheet takes a text that begins with = + - or @ for a formula,
// and addresses and paths come from the target: such a text gets an apostrophe
// before it. Control characters are written as Go writes them in a string.
// Programs that need the text as it is read JSON.
func renderCSV(w io.Writer, r *report.Report, o Options) error {
	out := csv.NewWriter(w)
	var head []string
	for _, key := range r.Table.By {
		head = append(head, string(key.Name))
	}
	measures := report.Measures()
	for _, m := range measures {
		head = append(head, m.Name)
	}
	if err := out.Write(head); err != nil {
		return err
	}
	for _, row := range programRows(&r.Table, o) {
		if err := out.Write(csvRow(&r.Table, row, measures)); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

func csvRow(table *report.Table, row *report.Row, measures []report.Measure) []string {
	var cells []string
	for i := range table.By {
		if row.Other {
			cells = append(cells, "(others)")
		} else {
			cells = append(cells, csvSafe(row.Key[i]))
		}
	}
	for _, m := range measures {
		cell := ""
		if value, ok := m.Value(row); ok {
			cell = strconv.FormatInt(value, 10)
		}
		cells = append(cells, cell)
	}
	return cells
}

func csvSafe(text string) string {
	text = Printable(text)
	if text != "" && strings.IndexByte("=+-@", text[0]) >= 0 {
		text = "'" + text
	}
	return text
}
