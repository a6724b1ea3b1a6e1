package render

import (
	"fmt"
	"strings"
	"time"

	"github.com/netpolltrace/netpolltrace/report"
	"github.com/netpolltrace/netpolltrace/wait"
)

// grid is a table of texts.
type grid struct {
	title   string
	columns []column
	rows    []gridRow
	shares  []string // cells under the last row: what part of the total it is
	empty   string   // what is said instead of a table without rows
	after   []string // lines under the table
}

// column is one column of a grid.
type column struct {
	head string
	left bool // aligned left; numbers are aligned right
	path bool // its texts say the most at their end
	// spare tells which columns a narrow terminal does without: the highest
	// goes first, 0 stays.
	spare int
	part  string // the part of a wait that it shows, if any
	unit  string // of its numbers; the cells are without it
}

type gridRow struct {
	cells []string
	below []string // lines of their own under the row
	notes []string // beside the first of those, or under them
}

// newGrids divides the table for people: of the first screen one of what somebody
// waits for and one of the background.
func newGrids(r *report.Report, o Options) []grid {
	s := &r.Table
	rows := shownRows(s.Rows)
	if len(rows) == 0 {
		return []grid{{title: s.Title, empty: emptyText(r, s), after: after(r, s)}}
	}
	blocks, rest := divide(s, rows)
	var grids []grid
	for _, b := range blocks {
		grids = append(grids, newGrid(s, b, o))
	}
	last := &grids[len(grids)-1]
	if rest != "" {
		last.after = append(last.after, rest)
	}
	last.after = append(last.after, after(r, s)...)
	return grids
}

// block is some rows that are shown as a table of their own.
type block struct {
	title string
	rows  []*report.Row
}

// Shares of the time, in percent, below which nobody is said to wait, so that the
// background is what the report is about, and below which the background is told in
// one line.
const (
	littleAwaited    = 5
	littleBackground = 1
)

// divide makes blocks of the first screen, and a line of what is in none of them. A
// table that was asked for stays whole.
func divide(s *report.Table, rows []*report.Row) ([]block, string) {
	whole := []block{{s.Title, rows}}
	if !s.Screen {
		return whole, ""
	}
	awaited, background := block{title: s.Title}, block{title: "In the background"}
	rest := report.NoWaits()
	var all time.Duration
	for _, row := range rows {
		all += row.Shown.Total
		if !row.Other && row.Key[0] == string(wait.ForBackground) {
			background.rows = append(background.rows, row)
			rest = rest.Plus(row)
			continue
		}
		awaited.rows = append(awaited.rows, row)
	}
	switch {
	case len(background.rows) == 0 || 100*(all-rest.Shown.Total) < littleAwaited*all || len(awaited.rows) == 0:
		return whole, ""
	case 100*rest.Shown.Total < littleBackground*all:
		return []block{awaited}, fmt.Sprintf("In the background, for nobody who is known to wait: %s, %s (--by for,peer,line)",
			counted(rest.Shown.Waits, "wait"), report.FormatDuration(rest.Shown.Total))
	}
	return []block{awaited, background}, ""
}

// Rows at the end of a table that hold less than a thousandth of its time are told
// in one line, but for the first few of the table.
const (
	littleRow = 1000
	fewRows   = 5
)

// worthARow is how many of the rows a person is shown.
func worthARow(rows []*report.Row) int {
	var all time.Duration
	for _, row := range rows {
		all += row.Shown.Total
	}
	n := min(len(rows), rowsForPeople)
	for n > fewRows && rows[n-1].Shown.Total < all/littleRow {
		n--
	}
	if n == len(rows)-1 {
		return len(rows) // the line would be no shorter
	}
	return n
}

func newGrid(s *report.Table, b block, o Options) grid {
	limit := o.Top
	if limit == 0 {
		limit = worthARow(b.rows)
	}
	g := grid{title: b.title}
	shown, rest := top(b.rows, limit)
	sheet := newSheet(s, shown)
	g.columns = append(keyColumns(s), sheet.columns()...)
	keys := len(keyColumns(s))
	for _, row := range shown {
		cells, below := keyCells(s, row)
		g.rows = append(g.rows, gridRow{cells: append(cells, sheet.cells(row)...), below: below, notes: notes(s, row)})
	}
	all := rest
	for _, row := range shown {
		all = all.Plus(row)
	}
	if len(b.rows) > len(shown) {
		name := fmt.Sprintf("... %s more", report.FormatCount(uint64(len(b.rows)-len(shown))))
		g.rows = append(g.rows, gridRow{cells: append(padded(keys, name), sheet.cells(&rest)...)})
	}
	g.rows = append(g.rows, gridRow{cells: append(padded(keys, "all"), sheet.cells(&all)...)})
	g.shares = append(padded(keys, ""), sheet.shares(&all)...)
	return g
}

// shownRows leaves out the groups of which people are shown nothing.
func shownRows(rows []*report.Row) []*report.Row {
	var shown []*report.Row
	for _, row := range rows {
		if row.Shown.Waits > 0 {
			shown = append(shown, row)
		}
	}
	return shown
}

func emptyText(r *report.Report, s *report.Table) string {
	switch {
	case s.Totals.All.Waits == 0 && s.Totals.Open == 0:
		return "No waits."
	case s.Totals.All.Waits == 0:
		return "No wait ended during the recording."
	case r.Idle:
		return "No waits."
	case s.Libraries.Waits > 0:
		return "No wait of the program's own code was awaited."
	}
	return "Nothing was awaited: all waits were idle."
}

func padded(n int, first string) []string {
	cells := make([]string, n)
	cells[0] = first
	return cells
}

// keyColumns lists the columns for the keys of a table. Long keys stand
// below their row if there is another key to stand in it.
func keyColumns(s *report.Table) []column {
	var columns []column
	for i, key := range s.By {
		if isBelow(s, i) || isTitle(s, i) {
			continue
		}
		columns = append(columns, column{head: key.Header, left: true, path: key.Long})
	}
	return columns
}

// isTitle tells whether a key's text is told by the title of the table.
func isTitle(s *report.Table, key int) bool {
	return s.Screen && s.By[key].Name == report.KeyFor
}

// isBelow tells whether a key's text stands below its row: a long one does,
// unless it is the first.
func isBelow(s *report.Table, key int) bool {
	return key > 0 && s.By[key].Long
}

func keyCells(s *report.Table, row *report.Row) (cells, below []string) {
	for i, key := range s.By {
		text := row.Key[i]
		switch {
		case isTitle(s, i):
		case row.Other:
			if len(cells) == 0 {
				cells = append(cells, "(others)")
			} else if !isBelow(s, i) {
				cells = append(cells, "")
			}
		case isBelow(s, i):
			below = append(below, longText(key.Name, text, row.Stack)...)
		case key.Long && text != "":
			lines := longText(key.Name, text, row.Stack)
			cells = append(cells, lines[0])
			below = append(below, lines[1:]...)
		default:
			cells = append(cells, cellText(s, i, text))
		}
	}
	return cells, below
}

// innermost is the index of the first frame that says something: below it are
// those with which the runtime parks every goroutine.
func innermost(functions []string) int {
	for i := len(functions) - 1; i >= 0; i-- {
		if !strings.HasPrefix(functions[i], "runtime.") && !strings.HasPrefix(functions[i], "internal/poll.") {
			return i
		}
	}
	return len(functions) - 1
}

// maxFrames is how much of a stack a person is shown.
const maxFrames = 12

// longText is the text of a long key as lines. The stack is one that has it.
func longText(key report.Key, text string, stack *wait.Stack) []string {
	switch {
	case text == "":
		return []string{"(no " + string(key) + ")"}
	case key == report.KeyLine && stack != nil:
		return []string{report.ShortLine(stack.Func, text)}
	case key == report.KeyOwn:
		return []string{chain(text)}
	case key == report.KeyStack && stack != nil:
		return frames(stack)
	}
	return []string{report.ShortLine("", text)}
}

// chain names functions, root first: main.handle > main.fetch.
func chain(functions string) string {
	names := wait.Unfold(functions)
	for i, name := range names {
		names[i] = report.ShortFunc(name)
	}
	return strings.Join(names, " > ")
}

// frames is the frames of a stack that say something, the innermost first.
func frames(stack *wait.Stack) []string {
	functions, lines := wait.Unfold(stack.Funcs), wait.Unfold(stack.Lines)
	var list []string
	for i := innermost(functions); i >= 0; i-- {
		if len(list) == maxFrames {
			return append(list, fmt.Sprintf("... %d more", i+1))
		}
		frame := report.ShortFunc(functions[i])
		if i < len(lines) && lines[i] != "" {
			frame = report.ShortLine(functions[i], lines[i])
		}
		list = append(list, frame)
	}
	return list
}

// unsplit is the head of what could not be attributed.
const unsplit = "unsplit"

// sheet writes the numbers of a table's rows, all in the same units.
type sheet struct {
	totals *report.Numbers
	time   timeUnit // of percentiles
	sum    timeUnit // of sums
	shown  []numberColumn
}

// timeUnit is the unit in which a column's durations are written.
type timeUnit struct {
	name     string
	unit     time.Duration
	decimals int
}

func unitFor(largest time.Duration) timeUnit {
	switch {
	case largest >= 100*time.Second:
		return timeUnit{"s", time.Second, 1}
	case largest >= time.Second:
		return timeUnit{"s", time.Second, 2}
	case largest >= time.Millisecond:
		return timeUnit{"ms", time.Millisecond, 1}
	}
	return timeUnit{"µs", time.Microsecond, 1}
}

// finer has one more decimal, for what is less than one of the unit.
func (u timeUnit) finer() timeUnit {
	u.decimals++
	return u
}

func (u timeUnit) format(d time.Duration) string {
	if d < 0 {
		return "-"
	}
	return report.FormatNumber(float64(d)/float64(u.unit), u.decimals)
}

// numberColumn is one row of the table of columns with numbers.
type numberColumn struct {
	column
	// get is the duration to show; nil for a count.
	get   func(*report.Numbers) time.Duration
	count func(*report.Numbers) uint64
	// lack is how many waits should have it and have not; nil for what all have.
	lack func(*report.Numbers) uint64
	// isSum: it can be added up over groups, and is written in their unit.
	isSum bool
}

func newSheet(s *report.Table, rows []*report.Row) *sheet {
	sh := &sheet{totals: &s.Totals.Shown, sum: unitFor(s.Totals.Shown.Total)}
	var largest time.Duration
	for _, row := range rows {
		largest = max(largest, row.Shown.P99)
	}
	sh.time = timeUnit{"ms", time.Millisecond, 1}
	if largest < time.Millisecond {
		sh.time = timeUnit{"µs", time.Microsecond, 1}
	}
	sh.shown = append(sh.spread(), sh.parts()...)
	return sh
}

// spread lists the columns before the sums.
func (sh *sheet) spread() []numberColumn {
	columns := []numberColumn{
		{column: column{head: "waits", spare: 1}, count: func(n *report.Numbers) uint64 { return n.Waits }},
	}
	if sh.totals.Timeouts > 0 {
		columns = append(columns, numberColumn{column: column{head: "timeouts", spare: 4},
			count: func(n *report.Numbers) uint64 { return n.Timeouts }})
	}
	return append(columns,
		numberColumn{column: column{head: "p50", spare: 3}, get: func(n *report.Numbers) time.Duration { return n.P50 }},
		numberColumn{column: column{head: "p99 " + sh.time.name, spare: 2}, get: func(n *report.Numbers) time.Duration { return n.P99 }},
	)
}

// parts lists the total and the parts that it is the sum of: those that some
// wait has and those that some wait should have.
func (sh *sheet) parts() []numberColumn {
	t := sh.totals
	all := []struct {
		name  string
		shown bool
		get   func(*report.Numbers) time.Duration
		lack  func(*report.Numbers) uint64
	}{
		{"network", t.Network >= 0 || t.NoNetwork > 0, func(n *report.Numbers) time.Duration { return n.Network }, func(n *report.Numbers) uint64 { return n.NoNetwork }},
		{"netpoll", t.Netpoll >= 0 || t.NoNetpoll > 0, func(n *report.Numbers) time.Duration { return n.Netpoll }, func(n *report.Numbers) uint64 { return n.NoNetpoll }},
		{"sched", t.Sched >= 0 || t.NoSched > 0, func(n *report.Numbers) time.Duration { return n.Sched }, func(n *report.Numbers) uint64 { return n.NoSched }},
		{"others", t.Blocked > 0 || t.NoBlocked > 0, func(n *report.Numbers) time.Duration { return n.Blocked }, func(n *report.Numbers) uint64 { return n.NoBlocked }},
		{unsplit, t.Unsplit != 0, func(n *report.Numbers) time.Duration { return n.Unsplit }, nil},
	}
	columns := []numberColumn{{column: column{head: "total", unit: sh.sum.name}, isSum: true, get: func(n *report.Numbers) time.Duration { return n.Total }}}
	for _, part := range all {
		if !part.shown {
			continue
		}
		c := numberColumn{column: column{head: part.name, part: part.name, unit: sh.sum.name}, isSum: true, get: part.get, lack: part.lack}
		if part.get(t) == wait.Unmeasured {
			c.spare = 5
		}
		columns = append(columns, c)
	}
	return columns
}

func (sh *sheet) columns() []column {
	var columns []column
	for _, c := range sh.shown {
		columns = append(columns, c.column)
	}
	return columns
}

// cells writes the numbers of a row. Sums of several groups have no
// percentiles: those cells are empty.
func (sh *sheet) cells(r *report.Row) []string {
	n := &r.Shown
	var cells []string
	for _, c := range sh.shown {
		switch {
		case c.count != nil:
			cells = append(cells, report.FormatCount(c.count(n)))
		case c.lack != nil && c.get(n) < 0 && c.lack(n) == 0, c.head == unsplit && c.get(n) == 0:
			cells = append(cells, "") // there is none
		case c.isSum && c.get(n) >= 0:
			cells = append(cells, sh.sum.format(c.get(n)))
		case !c.isSum && r.Key == nil:
			cells = append(cells, "")
		case c.get(n) < sh.time.unit:
			cells = append(cells, sh.time.finer().format(c.get(n)))
		default:
			cells = append(cells, sh.time.format(c.get(n)))
		}
	}
	return cells
}

// shares writes what part of the total each part is.
func (sh *sheet) shares(r *report.Row) []string {
	n := &r.Shown
	var cells []string
	for _, c := range sh.shown {
		if c.part == "" {
			cells = append(cells, "")
			continue
		}
		cells = append(cells, share(c.get(n), n.Total))
	}
	return cells
}

// withUnits writes the unit into each cell that has one.
func withUnits(columns []column, rows []gridRow) {
	for _, row := range rows {
		for i, c := range columns {
			if c.unit != "" && row.cells[i] != "-" && row.cells[i] != "" {
				row.cells[i] += " " + c.unit
			}
		}
	}
}

// heads writes the heads of columns, so that those of the parts read as a sum:
// total = network + netpoll + sched.
func heads(columns []column) []string {
	var texts []string
	sign := "= "
	for _, c := range columns {
		head := c.head
		if c.part != "" {
			head = sign + head
			sign = "+ "
		}
		texts = append(texts, head)
	}
	return texts
}
