//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"github.com/netpolltrace/netpolltrace/recording"
	"github.com/netpolltrace/netpolltrace/report/render"
	"github.com/netpolltrace/netpolltrace/session"
	"github.com/netpolltrace/netpolltrace/wait"
)

// defaultDuration is long enough for percentiles and short enough to wait for.
const defaultDuration = 10 * time.Second

// recordingFlags are the flags of a recording, whatever its source.
type recordingFlags struct {
	duration    time.Duration
	output      string
	maxOverhead percentage
	readyFile   string
	redact      bool
	reportOnly  bool // set by commands that leave no file
}

func (f *recordingFlags) add(flags *pflag.FlagSet) {
	flags.VarP((*span)(&f.duration), "duration", "d", "how long to record, such as 30s; 0: until Ctrl-C or the program's end")
	flags.StringVarP(&f.output, "output", "o", "", "`FILE` to write: a recording, or a report if the extension is one of "+strings.Join(render.Extensions(), " ")+"; - is stdout (default NAME-TIME"+recording.Extension+")")
	flags.Var(&f.maxOverhead, "max-overhead", "warn when the probes cost a program more than this of its CPU time; 0: never")
	flags.StringVar(&f.readyFile, "ready-file", "", "create this `FILE` once the recording runs")
	flags.BoolVar(&f.redact, "redact", false, "write pseudonyms instead of addresses and host names")
	_ = flags.MarkHidden("ready-file")
}

// shows tells whether the report is to be printed at the end although only a
// recording was asked for.
func (f *recordingFlags) shows() bool { return f.output == "" && onTerminal(os.Stdout) }

// recordingRun is a recording from its start to its report, whatever its source.
type recordingRun struct {
	flags  *recordingFlags
	live   *liveLine
	file   string            // the recording's name; empty if none is written
	writer *recording.Writer // nil if none is written
	report *reporter         // nil if none is wanted
	out    string            // where the report goes; empty is stdout
	format render.Format
	source wait.Source
}

// newRecordingRun settles where a recording of programs with these names goes.
// It creates nothing, but refuses what cannot be created.
func newRecordingRun(flags *recordingFlags, names []string, show bool) (*recordingRun, error) {
	r := &recordingRun{flags: flags, live: newLiveLine(os.Stderr, onTerminal(os.Stderr))}
	if err := r.chooseOutput(names, show); err != nil {
		return nil, err
	}
	if err := canRecord(r.file); err != nil {
		return nil, err
	}
	return r, nil
}

// chooseOutput settles what is written where.
func (r *recordingRun) chooseOutput(names []string, show bool) error {
	output := r.flags.output
	switch {
	case r.flags.reportOnly:
	case output == recording.Standard && onTerminal(os.Stdout):
		return errors.New("a recording is not text for a terminal: pipe it, for example into netpolltrace report -, or give -o FILE")
	case output == "":
		r.file = recording.DefaultName(programsName(names), time.Now())
	case output == recording.Standard || filepath.Ext(output) == filepath.Ext(recording.Extension):
		r.file = output
	default:
		if err := errors.Join(canReport(output), canCreateIn(filepath.Dir(output))); err != nil {
			return err
		}
		format, err := render.ByPath(output)
		if err != nil {
			return fmt.Errorf("%w %s (the recording itself)", err, filepath.Ext(recording.Extension))
		}
		r.format, r.out, show = format, output, true
	}
	if !show {
		return nil
	}
	if r.format.Name == "" {
		var err error
		if r.format, err = render.ByName("table"); err != nil {
			return err
		}
	}
	var err error
	r.report, err = newReporter(r.format, reportOptions{})
	return err
}

// programsName names a file after the programs that it is about: after the
// first, with the number of others.
func programsName(names []string) string {
	different := make(map[string]bool)
	for _, name := range names {
		different[name] = true
	}
	if len(different) == 1 {
		return names[0]
	}
	return fmt.Sprintf("%s+%d", names[0], len(different)-1)
}

// canRecord refuses a recording that is there already, or whose folder takes
// none: before a probe is attached, and not when it has been made.
func canRecord(path string) error {
	if path == "" || path == recording.Standard {
		return nil
	}
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("%s exists: choose another name or remove it", path)
	}
	return canCreateIn(filepath.Dir(path))
}

func canCreateIn(folder string) error {
	if err := unix.Access(folder+"/", unix.W_OK|unix.X_OK); err != nil {
		return fmt.Errorf("nothing can be created in %s: %w: choose another folder", folder, err)
	}
	return nil
}

// begin opens the output for an open source, which the run closes from here on.
func (r *recordingRun) begin(source wait.Source) error {
	r.source = source
	err := r.openOutput()
	if err == nil && r.report != nil {
		err = r.report.Begin(source.Meta())
	}
	if err != nil {
		return errors.Join(err, source.Close())
	}
	return nil
}

func (r *recordingRun) openOutput() error {
	if r.file != "" {
		options := recording.Options{Redact: r.flags.redact, Owner: sudoOwner(os.LookupEnv)}
		var err error
		if r.writer, err = recording.Create(r.file, r.source.Meta(), options); err != nil {
			return err
		}
	}
	if r.flags.readyFile != "" {
		if err := os.WriteFile(r.flags.readyFile, nil, 0o600); err != nil {
			return fmt.Errorf("creating the ready file: %w", err)
		}
	}
	return nil
}

// run records, and reports at the end.
func (r *recordingRun) run(ctx context.Context, watch session.Watch) error {
	err := session.Run(ctx, r.source, r.sinks(), session.Config{
		Duration: r.flags.duration, MaxOverhead: float64(r.flags.maxOverhead), Watch: watch, Progress: r.live.show,
	})
	r.live.clear()
	err = errors.Join(err, r.source.Close())
	if r.writer != nil {
		err = errors.Join(err, r.writer.Close())
	}
	if err != nil {
		return err
	}
	if len(r.source.Meta().Targets) == 0 && !r.live.joined {
		r.live.say("no Go program was started: the recording is empty")
	}
	if r.file != "" && r.file != recording.Standard {
		r.live.say("recorded into " + r.file)
	}
	if r.report == nil {
		return nil
	}
	return r.report.print(r.out)
}

func (r *recordingRun) sinks() tee {
	sinks := tee{r.live}
	if r.writer != nil {
		sinks = append(sinks, r.writer)
	}
	if r.report != nil {
		sinks = append(sinks, r.report)
	}
	return sinks
}

// tee hands everything to several sinks.
type tee []wait.Sink

func (t tee) Wait(w *wait.Wait) error {
	for _, sink := range t {
		if err := sink.Wait(w); err != nil {
			return err
		}
	}
	return nil
}

func (t tee) Event(e *wait.Event) error {
	for _, sink := range t {
		if err := sink.Event(e); err != nil {
			return err
		}
	}
	return nil
}
