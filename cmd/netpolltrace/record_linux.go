package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/netpolltrace/netpolltrace/gobinary"
	"github.com/netpolltrace/netpolltrace/probes"
	"github.com/netpolltrace/netpolltrace/process"
	"github.com/netpolltrace/netpolltrace/wait"
)

// recordFlags are the flags of record.
type recordFlags struct {
	recordingFlags
	target    targetFlags
	children  bool
	mode      wait.Mode
	backend   probes.Backend
	args      bool
	noHandoff bool
	ringMiB   int
	limits    probes.Limits
	follow    probes.Follow // without --children
}

func newRecordFlags() *recordFlags {
	limits := probes.DefaultLimits()
	return &recordFlags{
		recordingFlags: recordingFlags{duration: defaultDuration, maxOverhead: 0.05},
		mode:           wait.ModeAuto, ringMiB: limits.RingBuffer >> 20, limits: limits,
	}
}

func (f *recordFlags) add(flags *pflag.FlagSet) {
	f.target.add(flags)
	flags.BoolVar(&f.children, "children", false, "record also the Go programs that these processes start, and those that they have started")
	f.recordingFlags.add(flags)
	flags.Var(&choice[wait.Mode]{&f.mode, probes.Modes, "MODE"}, "mode", fmt.Sprintf("what to record: %s", list(probes.Modes)))
	flags.Var(&choice[probes.Backend]{&f.backend, probes.Backends, "BACKEND"}, "backend",
		fmt.Sprintf("how to hook the kernel: %s (default: the cheapest that works)", list(probes.Backends)))
	flags.BoolVar(&f.noHandoff, "no-handoff", false, "in mode io, do not record whom a goroutine makes runnable after it waited for I/O")
	flags.BoolVar(&f.args, "store-args", false, "store the target's command line in the recording")
	flags.Var(&bounded{value: &f.ringMiB, most: maxRingMiB, power: true}, "ring-buffer", "size of the kernel's ring buffer in MiB, a power of two")
	flags.Var(&bounded{value: &f.limits.MaxProcesses, most: f.limits.MaxProcesses}, "max-processes", "record N processes at most at once")
	flags.Var(&bounded{value: &f.limits.MaxGoroutines, most: maxEntries}, "max-goroutines", "keep track of N goroutines at most")
	flags.Var(&bounded{value: &f.limits.MaxFDs, most: maxEntries}, "max-fds", "keep track of N descriptors at most")
	flags.Var(&bounded{value: &f.limits.MaxStacks, most: maxStacks}, "max-stacks", "keep N different stacks at most")
}

// What the kernel is asked for at most: 1 GiB for records, some GiB for goroutines
// or descriptors, and 800 MiB for stacks.
const (
	maxRingMiB = 1 << 10
	maxEntries = 1 << 24
	maxStacks  = 1 << 20
)

func newRecord() *cobra.Command {
	flags := newRecordFlags()
	c := &cobra.Command{
		Use:   "record [--children] [-p PID,... | --name NAME | -- COMMAND [ARG...]]",
		Short: "Record the waits of Go programs into a file",
		Long: `Records the waits of running Go programs, or of a command that it starts, into
a file that netpolltrace report reads. On a terminal, without -o, it prints the
report at the end.

One recording can hold several processes: -p 41,57 lists them, --name takes all
that run a program, and --children adds the Go programs that they start. It is an
error if a process of -p, or the command, cannot be recorded: it must be a Go
program, or with --children something that starts some, such as a shell or make.
Any other is left out. The recording ends with the last process.

Mode io records the waits in the netpoller; all records every wait of every
goroutine, at a higher cost; auto chooses, at present always io. Recording requires
root, or the capabilities that netpolltrace doctor names.

A command's output and exit status pass through; 125 means that it could not be
recorded, 126 that it could not be run, 127 that it was not found.`,
		Example: `  netpolltrace record -p 4171 -d 30s
  netpolltrace record --name checkout-api --name stock-api -o waits.json
  netpolltrace record -- ./checkout-api --port 8080
  netpolltrace record --children -- make serve
  go test -exec 'netpolltrace record --' ./...`,
	}
	flags.complete(c)
	return c
}

// recordWord is netpolltrace PID|NAME: record and report with their defaults.
func recordWord(c *cobra.Command, word string) error {
	flags := newRecordFlags()
	flags.target.word(word)
	f, err := flags.target.find()
	if err != nil {
		return fmt.Errorf("%w (commands: netpolltrace --help)", err)
	}
	return recordFound(c.Context(), flags, f, true)
}

// recordProcesses records processes that run already: those that the flags name.
func recordProcesses(ctx context.Context, flags *recordFlags, show bool) error {
	f, err := flags.target.find()
	if err != nil {
		return err
	}
	return recordFound(ctx, flags, f, show)
}

func recordFound(ctx context.Context, flags *recordFlags, f *found, show bool) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	r, err := openFound(flags, f, show)
	if err != nil {
		return err
	}
	return r.run(ctx)
}

// attachedRun is a recording by probes, and the processes that it holds open.
type attachedRun struct {
	*recordingRun
	recorder  *probes.Recorder
	processes []*process.Process
}

// openFound attaches to the processes that were found, and opens the output.
func openFound(flags *recordFlags, f *found, show bool) (*attachedRun, error) {
	if err := f.limit(flags.limits.MaxProcesses, say); err != nil {
		return nil, err
	}
	processes, err := f.openAll(say)
	if err != nil {
		return nil, err
	}
	return openRecording(flags, processes, show, func(r *probes.Recorder) error {
		added, err := use(f, processes, say, func(p *process.Process) (*process.Process, error) {
			return p, addProcess(r, p, flags, false)
		})
		if err != nil {
			return err
		}
		if len(f.names) > 0 && len(f.pids) > 1 {
			say(fmt.Sprintf("recording %d of %d processes called %s: %s", len(added), len(f.pids), f.called(), pidsOf(added)))
		}
		sayStopped(added, say)
		return nil
	})
}

func openChild(_ context.Context, flags *recordFlags, child *process.Child) (*attachedRun, error) {
	p, err := process.Open(child.PID())
	if err != nil {
		return nil, err
	}
	return openRecording(flags, []*process.Process{p}, flags.shows(), func(r *probes.Recorder) error {
		return addProcess(r, p, flags, true)
	})
}

// addProcess attaches to a process. A fresh one has not run its first
// instruction yet. With --children one that is no Go program is followed.
func addProcess(r *probes.Recorder, p *process.Process, flags *recordFlags, fresh bool) error {
	options := probes.TargetOptions{Mode: flags.mode, Fresh: fresh}
	if flags.args {
		var err error
		if options.Args, err = p.Args(); err != nil {
			return err
		}
	}
	_, err := r.Add(p, options)
	switch {
	case !errors.Is(err, gobinary.ErrNotGo):
		return err
	case flags.children:
		return r.Follow(p)
	}
	return fmt.Errorf("%w (--children records the Go programs that it starts)", err)
}

// openRecording makes a recording of some processes; attach adds them to it.
// Nothing is created before it is sure that there is something to record. The
// processes are closed with the recording, also where it cannot be opened.
func openRecording(flags *recordFlags, processes []*process.Process, show bool, attach func(*probes.Recorder) error) (*attachedRun, error) {
	r := &attachedRun{processes: processes}
	var err error
	if r.recordingRun, err = newRecordingRun(&flags.recordingFlags, namesOf(processes), show); err != nil {
		return nil, errors.Join(err, r.close())
	}
	if r.recorder, err = probes.Open(flags.options()); err != nil {
		return nil, errors.Join(err, r.close())
	}
	if err := attach(r.recorder); err != nil {
		return nil, errors.Join(err, r.recorder.Close(), r.close())
	}
	if err := r.begin(r.recorder); err != nil {
		return nil, errors.Join(err, r.close())
	}
	return r, nil
}

func (f *recordFlags) options() probes.Options {
	options := probes.Options{Backend: f.backend, Mode: f.mode, NoHandoffs: f.noHandoff, Limits: f.limits, Follow: f.follow, Tool: version()}
	options.Limits.RingBuffer = f.ringMiB << 20
	if f.children {
		options.Follow = probes.FollowChildren
	}
	return options
}

func (r *attachedRun) run(ctx context.Context) error {
	return errors.Join(r.recordingRun.run(ctx, process.WatchHost), r.close())
}

func (r *attachedRun) close() error {
	var errs []error
	for _, p := range r.processes {
		errs = append(errs, p.Close())
	}
	return errors.Join(errs...)
}

func namesOf(processes []*process.Process) []string {
	var names []string
	for _, p := range processes {
		names = append(names, p.Name)
	}
	return names
}

func pidsOf(processes []*process.Process) string {
	var pids []string
	for _, p := range processes {
		pids = append(pids, strconv.Itoa(p.PID))
	}
	return strings.Join(pids, ", ")
}

// sayStopped tells of processes that do nothing until somebody continues them.
func sayStopped(processes []*process.Process, say func(string)) {
	for _, p := range processes {
		if p.Stopped() {
			say(fmt.Sprintf("process %d (%s) is stopped: it is recorded from when it continues (kill -CONT %d)", p.PID, p.Name, p.PID))
		}
	}
}
