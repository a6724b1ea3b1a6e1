package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/netpolltrace/netpolltrace/explain"
	"github.com/netpolltrace/netpolltrace/findings"
	"github.com/netpolltrace/netpolltrace/recording"
	"github.com/netpolltrace/netpolltrace/report"
	"github.com/netpolltrace/netpolltrace/report/render"
	"github.com/netpolltrace/netpolltrace/wait"
)

// reportOptions are the flags of report.
type reportOptions struct {
	by     string
	format string
	sort   string
	filter string
	own    []string
	value  string
	output string
	top    rows
	idle   bool
	// snapshot: it is about goroutines that wait now.
	snapshot bool
}

func newReport() *cobra.Command {
	var o reportOptions
	c := &cobra.Command{
		Use:   "report [FILE...]",
		Short: "Print what recordings say",
		Long: `Prints what one or more recordings say: findings first, then what was waited for,
then what was left out, then what the recording cost. Without a file it reads the
newest recording in this folder; - is standard input.

Keys for --by:
` + wordList(report.KeyNames()) + `
Of these, peer is what was waited for; line, func and own are the program's own code
on the stack, entry the first function of it; via is the library function that
waited; for is request, main or background; start and creator are what started the
goroutine; cause is the largest cause of each wait, and waker the line that ended it,
which mode all sees.
Orders for --sort, the largest first:
` + wordList(report.OrderNames()) + `
--filter takes conditions such as total > 2ms && peer == "db:5432". One on a time
that was not measured is false. Names for --filter:
` + wordList(report.FilterNames()),
		Example: `  netpolltrace report
  netpolltrace report checkout-20261123-221530.netpolltrace.arrows --by goroutine --top 10
  netpolltrace report --filter 'total > 2ms && peer == "db:5432"'
  netpolltrace report --format folded --value sched | flamegraph.pl > sched.svg`,
		RunE: func(c *cobra.Command, files []string) error { return runReport(c.Context(), o, files) },
	}
	flags := c.Flags()
	flags.StringVar(&o.by, "by", "", "group by these `KEYS`, separated by commas (default for,peer,line)")
	flags.StringVar(&o.format, "format", "", "the `FORMAT` to write: "+formatNames()+" (default table)")
	flags.StringVar(&o.sort, "sort", "", "the `ORDER` of the rows (default total)")
	flags.Var(&o.top, "top", "show `N` rows; -1: all (default 20 for people, all for programs)")
	flags.StringVar(&o.filter, "filter", "", "count only waits for which this `EXPRESSION` holds")
	flags.StringVar(&o.value, "value", "", "the `PART` that a folded stack weighs: total, network, netpoll, blocked, sched (default total)")
	flags.BoolVar(&o.idle, "idle", false, "show idle time, and waits of libraries, too")
	addOwn(flags, &o.own)
	flags.StringVarP(&o.output, "output", "o", "", "`FILE` to write; its extension picks the format: "+strings.Join(render.Extensions(), " "))
	return c
}

func runReport(ctx context.Context, o reportOptions, files []string) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
	defer stop()
	if err := canReport(o.output); err != nil {
		return err
	}
	format, err := chooseFormat(o)
	if err != nil {
		return err
	}
	r, err := newReporter(format, o)
	if err != nil {
		return err
	}
	if files, err = inputs(files); err != nil {
		return err
	}
	for _, file := range files {
		if err := r.read(ctx, file); err != nil {
			return err
		}
	}
	return r.print(o.output)
}

// inputs are the recordings to read: the newest of this folder where none is named.
// One that is named twice is refused, since its waits would count twice.
func inputs(files []string) ([]string, error) {
	if len(files) == 0 {
		newest, err := recording.Latest(".")
		if err != nil {
			return nil, err
		}
		return []string{newest}, nil
	}
	for i, file := range files {
		for _, earlier := range files[:i] {
			if sameFile(earlier, file) {
				return nil, fmt.Errorf("%s and %s are the same recording: name it once", earlier, file)
			}
		}
	}
	return files, nil
}

// sameFile tells whether two paths lead to one file. Whether a file is there at all
// shows when it is opened.
func sameFile(a, b string) bool {
	if a == b {
		return true
	}
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(infoA, infoB)
}

func chooseFormat(o reportOptions) (render.Format, error) {
	switch {
	case o.format != "":
		return render.ByName(o.format)
	case o.output != "" && o.output != recording.Standard:
		return render.ByPath(o.output)
	}
	return render.ByName("table")
}

func formatNames() string {
	var names []string
	for _, f := range render.Formats() {
		names = append(names, f.Name)
	}
	return strings.Join(names, ", ")
}

// wordList is an indented paragraph of words, for help.
func wordList(words []string) string {
	const indent, width = "  ", 80
	var text strings.Builder
	line := indent
	for i, word := range words {
		if i < len(words)-1 {
			word += ","
		}
		if len(line)+len(word) > width {
			text.WriteString(strings.TrimRight(line, " ") + "\n")
			line = indent
		}
		line += word + " "
	}
	text.WriteString(strings.TrimRight(line, " "))
	return text.String()
}

// reporter is a report that is being made, and how it is to be written. It is a
// [wait.Sink].
type reporter struct {
	*report.Builder
	format  render.Format
	options render.Options
}

func newReporter(format render.Format, o reportOptions) (*reporter, error) {
	if o.value != "" && !format.Weighs {
		return nil, fmt.Errorf("--value is what a folded stack weighs: format %s has no use for it", format.Name)
	}
	finder, err := findings.NewCollector()
	if err != nil {
		return nil, err
	}
	options := report.Options{
		By: format.By, Own: o.own, Sort: cmp.Or(o.sort, format.Sort), Idle: o.idle, FDs: format.FDs, Finder: finder,
	}
	if !o.snapshot {
		options.Explain = func(next wait.Sink) report.Explainer { return explain.NewStage(next) }
	}
	parseKeys, newFilter := report.ParseKeys, report.NewFilter
	if o.snapshot {
		parseKeys, newFilter = report.ParseSnapshotKeys, report.NewSnapshotFilter
	}
	if o.by != "" {
		if options.By, err = parseKeys(o.by); err != nil {
			return nil, err
		}
	}
	if o.filter != "" {
		if options.Filter, err = newFilter(o.filter); err != nil {
			return nil, err
		}
	}
	builder, err := report.NewBuilder(options)
	if err != nil {
		return nil, err
	}
	return &reporter{Builder: builder, format: format, options: render.Options{Top: int(o.top), Value: o.value}}, nil
}

// read takes in a recording.
func (r *reporter) read(ctx context.Context, file string) error {
	reader, err := recording.Open(file)
	if err != nil {
		return err
	}
	defer reader.Close()
	if err := errors.Join(r.Begin(reader.Meta()), reader.Run(ctx, r)); err != nil {
		return err
	}
	if !reader.Sealed() {
		r.Unchecked(fmt.Sprintf("%s: %v", file, recording.ErrUnsealed))
	}
	if damage := reader.Damage(); damage != nil {
		r.Damaged(fmt.Sprintf("%s: %v", file, damage))
	}
	return nil
}

// print writes the report to a file, or to standard output.
func (r *reporter) print(path string) error {
	rep, err := r.Report()
	if err != nil {
		return err
	}
	if path == "" || path == recording.Standard {
		options := r.options
		options.Width = terminalWidth(os.Stdout)
		options.Color = wantsColor(os.Stdout)
		return r.format.Render(os.Stdout, rep, options)
	}
	return writeFile(path, func(w io.Writer) error { return r.format.Render(w, rep, r.options) })
}

func onTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// wantsColor follows https://no-color.org.
func wantsColor(f *os.File) bool {
	return onTerminal(f) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// terminalWidth is the number of columns of a terminal; 0 if it is none, or
// does not say.
func terminalWidth(f *os.File) int {
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	if columns, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && columns > 0 {
		return columns
	}
	return width
}
