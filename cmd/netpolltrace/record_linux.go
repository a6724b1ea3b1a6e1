package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"github.com/netpolltrace/netpolltrace/probes"
	"github.com/netpolltrace/netpolltrace/process"
	"github.com/netpolltrace/netpolltrace/recording"
	"github.com/netpolltrace/netpolltrace/report/render"
	"github.com/netpolltrace/netpolltrace/session"
	"github.com/netpolltrace/netpolltrace/wait"
)

// defaultDuration is long enough for percentiles and short enough to wait for.
const defaultDuration = 10 * time.Second

// recordFlags are the flags of record.
type recordFlags struct {
	target      targetFlags
	duration    time.Duration
	output      string
	mode        wait.Mode
	backend     probes.Backend
	maxOverhead percentage
	readyFile   string
	redact      bool
	args        bool
	reportOnly  bool // set by commands that leave no file
	ringMiB     int
	limits      probes.Options
}

func newRecordFlags() *recordFlags {
	return &recordFlags{
		duration: defaultDuration, mode: wait.ModeAuto, maxOverhead: 0.05,
		ringMiB: probes.DefaultOptions().RingBuffer >> 20, limits: probes.DefaultOptions(),
	}
}

func (f *recordFlags) add(flags *pflag.FlagSet) {
	f.target.add(flags)
	flags.DurationVarP(&f.duration, "duration", "d", f.duration, "how long to record, such as 30s; 0: until Ctrl-C or the program's end")
	flags.StringVarP(&f.output, "output", "o", "", "`FILE` to write: a recording, or a report if the extension is one of "+strings.Join(render.Extensions(), " ")+"; - is stdout (default NAME-TIME"+recording.Extension+")")
	flags.Var(&choice[wait.Mode]{&f.mode, probes.Modes, "MODE"}, "mode", fmt.Sprintf("how much to see: %s", list(probes.Modes)))
	flags.Var(&choice[probes.Backend]{&f.backend, probes.Backends, "BACKEND"}, "backend",
		fmt.Sprintf("how to hook the kernel: %s (default the cheapest that works)", list(probes.Backends)))
	flags.Var(&f.maxOverhead, "max-overhead", "warn when the probes cost more than this of the target's CPU time; 0: never")
	flags.StringVar(&f.readyFile, "ready-file", "", "create this `FILE` once the recording runs")
	flags.BoolVar(&f.redact, "redact", false, "write pseudonyms instead of addresses and host names")
	flags.BoolVar(&f.args, "store-args", false, "store the target's command line in the recording")
	flags.IntVar(&f.ringMiB, "ring-buffer", f.ringMiB, "size of the kernel's ring buffer in `MiB`, a power of two")
	flags.IntVar(&f.limits.MaxGoroutines, "max-goroutines", f.limits.MaxGoroutines, "keep track of `N` goroutines at most")
	flags.IntVar(&f.limits.MaxFDs, "max-fds", f.limits.MaxFDs, "keep track of `N` descriptors at most")
	flags.IntVar(&f.limits.MaxStacks, "max-stacks", f.limits.MaxStacks, "keep `N` different stacks at most")
	_ = flags.MarkHidden("ready-file")
}

func newRecord() *cobra.Command {
	flags := newRecordFlags()
	c := &cobra.Command{
		Use:   "record [-p PID | --name NAME | -- COMMAND [ARG...]]",
		Short: "Record the waits of a Go program into a file",
		Long: `Records the waits of a running Go program, or of a command that it starts, into
a file that netpolltrace report reads. On a terminal, without -o, the report is
printed at the end.

Mode io shows the waits in the netpoller, all every wait of every goroutine, at
a higher price; auto is the one that suits, at present always io. Recording takes
root, or the capabilities that netpolltrace doctor names.

A command's output and exit status pass through; 125 means that it could not be
recorded, 126 that it could not be run, 127 that it was not found.`,
		Example: `  netpolltrace record -p 4171 -d 30s
  netpolltrace record --name checkout-api -o waits.json
  netpolltrace record -- ./checkout-api --port 8080
  go test -exec 'netpolltrace record --' ./...`,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				if c.ArgsLenAtDash() != 0 {
					return notACommand(args[0])
				}
				return recordCommand(c, flags, args)
			}
			target, err := flags.target.open()
			if err != nil {
				return err
			}
			defer target.Close()
			return recordProcess(c.Context(), flags, target, flags.output == "" && onTerminal(os.Stdout))
		},
	}
	c.Flags().SetInterspersed(false)
	flags.add(c.Flags())
	return c
}

// notACommand refuses a word that stands where only flags do: it may be meant
// as a process.
func notACommand(word string) error {
	if _, err := strconv.Atoi(word); err == nil {
		return fmt.Errorf("record takes a process as -p %s, and a command after --", word)
	}
	return fmt.Errorf("record takes a process as --name %q, and a command after --", word)
}

// recordNamed is netpolltrace PID|NAME: record and report with their defaults.
func recordNamed(c *cobra.Command, word string) error {
	target, err := openNamed(word)
	if err != nil {
		return err
	}
	defer target.Close()
	return recordProcess(c.Context(), newRecordFlags(), target, true)
}

// recordProcess records a process that runs already.
func recordProcess(ctx context.Context, flags *recordFlags, target *process.Process, show bool) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	r, err := openRecording(flags, target, show, false)
	if err != nil {
		return err
	}
	if flags.duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, flags.duration)
		defer cancel()
	}
	return r.run(ctx)
}

// recordCommand records a command from its first instruction to its end, and
// ends as it did.
func recordCommand(c *cobra.Command, flags *recordFlags, args []string) error {
	if flags.target.given() {
		return &exitError{process.StatusTrouble, errors.New("both a process and a command are given: give one of them")}
	}
	if !c.Flags().Changed("duration") {
		flags.duration = 0
	}
	command := exec.Command(args[0], args[1:]...)
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	child, err := process.Start(command)
	if err != nil {
		return startFailed(err)
	}
	status, err := recordChild(c.Context(), flags, child)
	if err != nil {
		return &exitError{process.StatusTrouble, err}
	}
	if status != 0 {
		return &exitError{status, nil}
	}
	return nil
}

func startFailed(err error) error {
	var start *process.StartError
	if errors.As(err, &start) {
		return &exitError{start.Status, err}
	}
	return &exitError{process.StatusTrouble, err}
}

// recordChild records a child that stands before its first instruction. What
// goes wrong with the recording later on does not touch the child.
func recordChild(ctx context.Context, flags *recordFlags, child *process.Child) (status int, err error) {
	r, err := openChild(flags, child)
	if err != nil {
		return 0, errors.Join(err, child.Signal(os.Kill), waitKilled(child))
	}
	// Ctrl-C reaches the child by itself, and the recording ends with it; a
	// SIGTERM is ours alone, so it is passed on.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	go func() {
		for s := range signals {
			if s == syscall.SIGTERM {
				_ = child.Signal(s) // it may have ended
			}
		}
	}()
	if err := child.Resume(); err != nil {
		return 0, err
	}
	if flags.duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, flags.duration)
		defer cancel()
	}
	recorded := make(chan error, 1)
	go func() { recorded <- r.run(ctx) }()
	status, err = child.Wait()
	return status, errors.Join(err, <-recorded)
}

func waitKilled(child *process.Child) error {
	_, err := child.Wait()
	return err
}

func openChild(flags *recordFlags, child *process.Child) (*recordingRun, error) {
	target, err := process.Open(child.PID())
	if err != nil {
		return nil, err
	}
	return openRecording(flags, target, flags.output == "" && onTerminal(os.Stdout), true)
}

// recordingRun is a recording from its start to its report.
type recordingRun struct {
	session *session.Session
	live    *liveLine
	file    string            // the recording's name; empty if none is written
	writer  *recording.Writer // nil if none is written
	report  *reporter         // nil if none is wanted
	out     string            // where the report goes; empty is stdout
	format  render.Format
}

// openRecording attaches to the target and opens the output. Nothing is created
// before it is sure that there is something to record.
func openRecording(flags *recordFlags, target *process.Process, show, fresh bool) (*recordingRun, error) {
	r := &recordingRun{live: &liveLine{out: os.Stderr, terminal: onTerminal(os.Stderr)}}
	if err := r.chooseOutput(flags, target, show); err != nil {
		return nil, err
	}
	if err := errors.Join(canCreate(r.file), canCreate(r.out)); err != nil {
		return nil, err
	}
	config := session.Config{
		Mode: flags.mode, Backend: flags.backend, Limits: flags.limits,
		MaxOverhead: float64(flags.maxOverhead), Fresh: fresh, Tool: version(), Progress: r.live.show,
	}
	config.Limits.RingBuffer = flags.ringMiB << 20
	if flags.args {
		args, err := target.Args()
		if err != nil {
			return nil, err
		}
		config.Args = args
	}
	var err error
	if r.session, err = session.Open(target, config); err != nil {
		return nil, err
	}
	if err := r.openOutput(flags); err != nil {
		return nil, errors.Join(err, r.session.Close())
	}
	return r, nil
}

// chooseOutput settles what is written where.
func (r *recordingRun) chooseOutput(flags *recordFlags, target *process.Process, show bool) error {
	switch {
	case flags.reportOnly:
	case flags.output == recording.Standard && onTerminal(os.Stdout):
		return errors.New("a recording is no text for a terminal: pipe it, such as into netpolltrace report -, or give -o FILE")
	case flags.output == "":
		r.file = recording.DefaultName(target.Name, time.Now())
	case flags.output == recording.Standard || filepath.Ext(flags.output) == filepath.Ext(recording.Extension):
		r.file = flags.output
	default:
		format, err := render.ByPath(flags.output)
		if err != nil {
			return fmt.Errorf("%w %s (the recording itself)", err, filepath.Ext(recording.Extension))
		}
		r.format, r.out, show = format, flags.output, true
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

// canCreate refuses an output that is there already, or whose folder takes none:
// before a probe is attached, and not when a report is written at the end.
func canCreate(path string) error {
	if path == "" || path == recording.Standard {
		return nil
	}
	if _, err := os.Lstat(path); err == nil {
		return taken(path)
	}
	folder := filepath.Dir(path)
	if err := unix.Access(folder+"/", unix.W_OK|unix.X_OK); err != nil {
		return fmt.Errorf("nothing can be created in %s: %w: choose another folder", folder, err)
	}
	return nil
}

func (r *recordingRun) openOutput(flags *recordFlags) error {
	if r.file != "" {
		options := recording.Options{Redact: flags.redact, Owner: sudoOwner(os.LookupEnv)}
		var err error
		if r.writer, err = recording.Create(r.file, r.session.Meta(), options); err != nil {
			return err
		}
	}
	if flags.readyFile != "" {
		if err := os.WriteFile(flags.readyFile, nil, 0o600); err != nil {
			return fmt.Errorf("creating the ready file: %w", err)
		}
	}
	return nil
}

// run records, and reports at the end.
func (r *recordingRun) run(ctx context.Context) error {
	var sinks tee
	if r.writer != nil {
		sinks = append(sinks, r.writer)
	}
	if r.report != nil {
		sinks = append(sinks, r.report)
	}
	err := r.session.Run(ctx, sinks)
	r.live.clear()
	err = errors.Join(err, r.session.Close())
	if r.writer != nil {
		err = errors.Join(err, r.writer.Close())
	}
	if err != nil {
		return err
	}
	if r.file != "" && r.file != recording.Standard {
		r.live.say("recorded into " + render.Printable(r.file))
	}
	if r.report == nil {
		return nil
	}
	return r.report.print(r.out, *r.session.Meta())
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

func list[T ~string](choices []T) string {
	texts := make([]string, len(choices))
	for i, choice := range choices {
		texts[i] = string(choice)
	}
	return strings.Join(slices.Clip(texts), ", ")
}

// choice is a flag that takes one of several words.
type choice[T ~string] struct {
	value   *T
	choices []T
	what    string // for help
}

func (c *choice[T]) String() string { return string(*c.value) }
func (c *choice[T]) Type() string   { return c.what }

func (c *choice[T]) Set(text string) error {
	if !slices.Contains(c.choices, T(text)) {
		return fmt.Errorf("choose one of %s", list(c.choices))
	}
	*c.value = T(text)
	return nil
}

// percentage is a flag like 5%, kept as a share.
type percentage float64

func (p *percentage) String() string { return strconv.FormatFloat(100*float64(*p), 'g', -1, 64) + "%" }
func (p *percentage) Type() string   { return "PERCENT" }

func (p *percentage) Set(text string) error {
	value, err := strconv.ParseFloat(strings.TrimSuffix(text, "%"), 64)
	if err != nil || value < 0 || value > 100 {
		return fmt.Errorf("%q is not a percentage such as 5%%", text)
	}
	*p = percentage(value / 100)
	return nil
}
