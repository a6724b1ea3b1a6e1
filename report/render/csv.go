package render

import (
	"encoding/csv"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/netpolltrace/netpolltrace/report"
)

// renderCSV writes one header and one line a row, as RFC 4180 has it: the keys
// of all sections, then the measures of JSON, in nanoseconds. What was not
// measured is empty.
//
// A spreadsheet takes a text that begins with = + - or @ for a formula,
// and addresses and paths come from the target: such a text gets an apostrophe
// before it. Control characters are written as Go writes them in a string.
// Programs that need the text as it is read JSON.
func renderCSV(w io.Writer, r *report.Report, o Options) error {
	out := csv.NewWriter(w)
	keys := keyNames(r)
	var head []string
	for _, k := range keys {
		head = append(head, string(k))
	}
	measures := report.Measures()
	for _, m := range measures {
		head = append(head, m.Name)
	}
	if err := out.Write(head); err != nil {
		return err
	}
	for i := range r.Sections {
		s := &r.Sections[i]
		for _, row := range programRows(s, o) {
			if err := out.Write(csvRow(s, row, keys, measures)); err != nil {
				return err
			}
		}
	}
	out.Flush()
	return out.Error()
}

// keyNames lists the keys of all sections, each once.
func keyNames(r *report.Report) []report.Key {
	var names []report.Key
	for _, s := range r.Sections {
		for _, k := range s.By {
			if !slices.Contains(names, k.Name) {
				names = append(names, k.Name)
			}
		}
	}
	return names
}

func csvRow(s *report.Section, row *report.Row, keys []report.Key, measures []report.Measure) []string {
	var cells []string
	for _, name := range keys {
		i := slices.IndexFunc(s.By, func(k report.KeyInfo) bool { return k.Name == name })
		switch {
		case row.Other:
			cells = append(cells, "(others)")
		case i < 0:
			cells = append(cells, "")
		default:
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
