package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"github.com/spf13/cobra"

	"github.com/netpolltrace/netpolltrace/explain"
	"github.com/netpolltrace/netpolltrace/recording"
	"github.com/netpolltrace/netpolltrace/report"
	"github.com/netpolltrace/netpolltrace/report/render"
	"github.com/netpolltrace/netpolltrace/wait"
)

// explainOptions are the flags of explain.
type explainOptions struct {
	slowest int
	filter  string
	own     []string
	at      span
	format  string
	output  string
}

func newExplain() *cobra.Command {
	o := explainOptions{at: -1}
	c := &cobra.Command{
		Use:   "explain [FILE...]",
		Short: "Explain single waits: what each was for, down to its cause",
		Long: `Shows the slowest waits of a program's own code, each as a tree on a time line:
who waited, which goroutine ended the wait, and what that one waited for in the
meantime, down to a peer, a timer, the scheduler or code that ran. The parts add
up to the wait.

Who ended a wait is seen in mode all only: in recordings of mode io just waits for
descriptors have parts. Without a file it reads the newest recording in this
folder; - is standard input.

Without --filter, waits that are idle or ended by time.Sleep are left out, and so
are those of library code that no function of the program called.`,
		Example: `  netpolltrace explain
  netpolltrace explain --slowest 10 --filter 'entry == "main.handleOrder"'
  netpolltrace explain --at 3.2s
  netpolltrace explain --format json | jq '.waits[0].waker'`,
		RunE: func(c *cobra.Command, files []string) error { return runExplain(c.Context(), o, files) },
	}
	flags := c.Flags()
	flags.IntVar(&o.slowest, "slowest", 3, "explain the `N` slowest waits")
	flags.StringVar(&o.filter, "filter", "", "explain only waits for which this `EXPRESSION` holds; see report --help")
	flags.Var(&o.at, "at", "explain only waits that lasted at this `TIME` after the start, such as 3.2s")
	flags.StringVar(&o.format, "format", "text", "the `FORMAT` to write: text, json")
	flags.StringVarP(&o.output, "output", "o", "", "`FILE` to write; - is standard output")
	flags.Lookup("at").DefValue = ""
	addOwn(flags, &o.own)
	return c
}

func runExplain(ctx context.Context, o explainOptions, files []string) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
	defer stop()
	write, known := treeFormats[o.format]
	if !known {
		return fmt.Errorf("there is no format %q: choose text or json", o.format)
	}
	if o.slowest < 1 {
		return fmt.Errorf("--slowest %d explains nothing: give 1 or more", o.slowest)
	}
	if err := canReport(o.output); err != nil {
		return err
	}
	e := &explanation{at: time.Duration(o.at), slowest: explain.NewSlowest(o.slowest), explainer: explain.New()}
	if len(o.own) > 0 {
		e.own = report.NewOwnCode(o.own)
	}
	if o.filter != "" {
		var err error
		if e.filter, err = report.NewFilter(o.filter); err != nil {
			return err
		}
	}
	files, err := inputs(files)
	if err != nil {
		return err
	}
	for _, file := range files {
		if err := e.read(ctx, file); err != nil {
			return err
		}
	}
	if e.at > e.lasted {
		return fmt.Errorf("--at %v is after the end: the recording lasted %v", e.at, e.lasted.Round(time.Millisecond))
	}
	if o.output == "" || o.output == recording.Standard {
		return write(os.Stdout, e, render.Options{Width: terminalWidth(os.Stdout), Color: wantsColor(os.Stdout)})
	}
	return writeFile(o.output, func(w io.Writer) error { return write(w, e, render.Options{}) })
}

// treeFormats are the ways to write explained waits.
var treeFormats = map[string]func(io.Writer, *explanation, render.Options) error{
	"text": func(w io.Writer, e *explanation, o render.Options) error {
		return render.Trees(w, e.slowest.Trees(), &e.left, e.began, o)
	},
	"json": func(w io.Writer, e *explanation, _ render.Options) error {
		return render.TreesJSON(w, e.slowest.Trees())
	},
}

// explanation is the search for the waits to explain. It is a [wait.Sink].
type explanation struct {
	slowest   *explain.Slowest
	explainer *explain.Explainer // tells filters what a wait was for
	own       *report.OwnCode    // nil: as recordings say
	filter    *report.Filter     // nil: the choice of the command
	left      render.LeftOut
	at        time.Duration // since began; negative: at any time
	began     time.Time     // of the first recording
	lasted    time.Duration // since began, up to the last that was seen
}

// read takes in a recording.
func (e *explanation) read(ctx context.Context, file string) error {
	reader, err := recording.Open(file)
	if err != nil {
		return err
	}
	defer reader.Close()
	if e.began.IsZero() {
		e.began = reader.Meta().Started
	}
	e.explainer.Begin(reader.Meta())
	if e.own != nil {
		e.own.Begin(reader.Meta())
	}
	if err := reader.Run(ctx, e); err != nil {
		return err
	}
	warnOf(reader, file)
	return nil
}

// Wait implements [wait.Sink].
func (e *explanation) Wait(w *wait.Wait) error {
	e.reach(w.Start + int64(w.Total))
	if e.own != nil {
		w = e.own.Wait(w)
	}
	explained := *w
	explained.Explanation = e.explainer.Wait(w)
	candidate, err := e.wanted(&explained)
	if err != nil {
		return err
	}
	e.slowest.Wait(w, candidate)
	return nil
}

// Event implements [wait.Sink].
func (e *explanation) Event(event *wait.Event) error {
	e.reach(event.Start)
	e.explainer.Event(event)
	if e.own != nil {
		e.own.Event(event)
	}
	return nil
}

// reach notes that the recordings last until a moment at least.
func (e *explanation) reach(moment int64) {
	e.lasted = max(e.lasted, time.Duration(moment-e.began.UnixNano()))
}

// wanted tells whether a wait may be among those that are shown. It counts those
// that are left out.
func (e *explanation) wanted(w *wait.Wait) (bool, error) {
	if e.at >= 0 {
		at := e.began.UnixNano() + int64(e.at)
		if at < w.Start || at >= w.Start+int64(w.Total) {
			e.left.Other++
			return false, nil
		}
	}
	if e.filter != nil {
		matched, err := e.filter.Match(w)
		if !matched {
			e.left.Other++
		}
		return matched, err
	}
	return e.left.Keep(w), nil
}
