package main

import (
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
	value  string
	output string
	top    int
	idle   bool
}

func newReport() *cobra.Command {
	var o reportOptions
	c := &cobra.Command{
		Use:   "report [FILE...]",
		Short: "Print what recordings say",
		Long: `Prints what one or more recordings say: findings first, then what was awaited,
then what was left out, then what the recording cost. Without a file it reads the
newest recording in this folder; - is standard input.

Keys for --by:
` + wordList(report.KeyNames()) + `
Orders for --sort, the largest first:
` + wordList(report.OrderNames()) + `
--filter takes conditions such as total > 2ms && peer == "db:5432" on the times
total, awaited, network, netpoll, blocked, sched, idle and unsplit, on rtt and
retransmits, and on what --by takes. A time that was not measured fulfils none.`,
		Example: `  netpolltrace report
  netpolltrace report checkout-20261123-221530.netpolltrace.arrows --by goroutine --top 10
  netpolltrace report --filter 'total > 2ms && peer == "db:5432"'
  netpolltrace report --format folded --value sched | flamegraph.pl > sched.svg`,
		RunE: func(c *cobra.Command, files []string) error { return runReport(c.Context(), o, files) },
	}
	flags := c.Flags()
	flags.StringVar(&o.by, "by", "", "group by these `KEYS`, separated by commas (default peer,line)")
	flags.StringVar(&o.format, "format", "", "the `FORMAT` to write: "+formatNames()+" (default table)")
	flags.StringVar(&o.sort, "sort", "", "the `ORDER` of the rows (default total)")
	flags.IntVar(&o.top, "top", 0, "show `N` rows; -1: all (default 20 for people, all for programs)")
	flags.StringVar(&o.filter, "filter", "", "count only waits for which this `EXPRESSION` holds")
	flags.StringVar(&o.value, "value", "", "the `PART` that a folded stack weighs: total, network, netpoll, blocked, sched (default total)")
	flags.BoolVar(&o.idle, "idle", false, "show idle time too")
	flags.StringVarP(&o.output, "output", "o", "", "`FILE` to write; its extension picks the format: "+strings.Join(render.Extensions(), " "))
	return c
}

func runReport(ctx context.Context, o reportOptions, files []string) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
	defer stop()
	format, err := chooseFormat(o)
	if err != nil {
		return err
	}
	r, err := newReporter(format, o)
	if err != nil {
		return err
	}
	if len(files) == 0 {
		newest, err := recording.Latest(".")
		if err != nil {
			return err
		}
		files = []string{newest}
	}
	var metas []wait.Meta
	for _, file := range files {
		meta, err := r.read(ctx, file)
		if err != nil {
			return err
		}
		metas = append(metas, *meta)
	}
	return r.print(o.output, metas...)
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

// reporter makes a report of what it is told. It is a [wait.Sink].
type reporter struct {
	*report.Builder
	collector *findings.Collector
	format    render.Format
	options   render.Options
	damage    []string // what is wrong with the recordings
}

func newReporter(format render.Format, o reportOptions) (*reporter, error) {
	options := report.Options{By: format.By, Sort: o.sort, Idle: o.idle, FDs: format.FDs}
	if options.Sort == "" {
		options.Sort = format.Sort
	}
	if o.by != "" {
		keys, err := report.ParseKeys(o.by)
		if err != nil {
			return nil, err
		}
		options.By = keys
	}
	if o.filter != "" {
		filter, err := report.NewFilter(o.filter)
		if err != nil {
			return nil, err
		}
		options.Filter = filter
	}
	builder, err := report.NewBuilder(options)
	if err != nil {
		return nil, err
	}
	collector, err := findings.NewCollector()
	if err != nil {
		return nil, err
	}
	return &reporter{
		Builder: builder, collector: collector, format: format,
		options: render.Options{Top: o.top, Value: o.value},
	}, nil
}

func (r *reporter) Wait(w *wait.Wait) error {
	if err := r.Builder.Wait(w); err != nil {
		return err
	}
	return r.collector.Wait(w)
}

func (r *reporter) Event(e *wait.Event) error {
	if err := r.Builder.Event(e); err != nil {
		return err
	}
	return r.collector.Event(e)
}

// read takes in a recording.
func (r *reporter) read(ctx context.Context, file string) (*wait.Meta, error) {
	reader, err := recording.Open(file)
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	if err := reader.Run(ctx, r); err != nil {
		return nil, err
	}
	if damage := reader.Damage(); damage != nil {
		r.damage = append(r.damage, fmt.Sprintf("%s: %v", file, damage))
	}
	return reader.Meta(), nil
}

// print writes the report to a file that must not exist, or to standard output.
func (r *reporter) print(path string, metas ...wait.Meta) error {
	rep := r.Report(metas...)
	rep.Damage = r.damage
	rep.Findings = r.collector.Findings()
	if path == "" || path == recording.Standard {
		options := r.options
		options.Width = terminalWidth(os.Stdout)
		options.Color = wantsColor(os.Stdout)
		return r.format.Render(os.Stdout, rep, options)
	}
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return taken(path)
	}
	if err != nil {
		return fmt.Errorf("creating the report: %w", err)
	}
	if owner := sudoOwner(os.LookupEnv); owner != nil {
		err = out.Chown(owner.UID, owner.GID)
	}
	return errors.Join(err, r.format.Render(io.Writer(out), rep, r.options), out.Close())
}

// taken says that an output is there already: nothing is written over.
func taken(path string) error {
	return fmt.Errorf("%s exists: choose another name or remove it", path)
}

// sudoOwner is the user who called sudo: files are theirs. It is nil where
// there is none.
func sudoOwner(getenv func(string) (string, bool)) *recording.Owner {
	uidText, _ := getenv("SUDO_UID")
	gidText, _ := getenv("SUDO_GID")
	uid, err := strconv.Atoi(uidText)
	if err != nil || os.Geteuid() != 0 {
		return nil
	}
	gid, err := strconv.Atoi(gidText)
	if err != nil {
		return nil
	}
	return &recording.Owner{UID: uid, GID: gid}
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
