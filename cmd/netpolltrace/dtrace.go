package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/netpolltrace/netpolltrace/gobinary"
	dtrace "github.com/netpolltrace/netpolltrace/kqueue_dtrace"
	"github.com/netpolltrace/netpolltrace/recording"
	"github.com/netpolltrace/netpolltrace/wait"
)

// dtraceFlags are the flags of dtrace.
type dtraceFlags struct {
	binary string
	pid    pid
	mode   wait.Mode
	parse  string
	output string
}

// dtraceModes are those of D scripts.
var dtraceModes = []wait.Mode{wait.ModeIO, wait.ModeAll}

func newDtrace() *cobra.Command {
	flags := &dtraceFlags{mode: wait.ModeAll}
	c := &cobra.Command{
		Use:   "dtrace (--bin FILE | -p PID) [--parse OUTPUT -o FILE]",
		Short: "Print the D script that records a program on macOS or FreeBSD",
		Long: `Prints a D script that records the waits of a Go program on macOS or FreeBSD,
whichever the executable was built for. This works on any system. The script must
run where the program runs, as root, until Ctrl-C:

  dtrace -q -s SCRIPT -p PID > OUTPUT 2> MESSAGES
  cat MESSAGES >> OUTPUT

--parse makes a recording of OUTPUT for netpolltrace report, on any system. The
messages tell how many records DTrace lost.

No script has run on macOS or FreeBSD yet: docs/compatibility.md says what was
verified, and what may prevent it there. On Linux use netpolltrace record.`,
		Example: `  netpolltrace dtrace --bin ./checkout-api > waits.d
  netpolltrace dtrace --bin ./checkout-api --parse waits.txt -o waits.json`,
		RunE: func(c *cobra.Command, _ []string) error { return flags.run(c.Context()) },
		Args: atMost(0),
	}
	c.Flags().StringVar(&flags.binary, "bin", "", "the executable `FILE`")
	c.Flags().VarP(&flags.pid, "pid", "p", "the executable of the process with this `PID`")
	c.Flags().Var(&choice[wait.Mode]{&flags.mode, dtraceModes, "MODE"}, "mode", "what to record: "+list(dtraceModes))
	c.Flags().StringVar(&flags.parse, "parse", "", "make a recording of this `OUTPUT` of the script; - is stdin")
	c.Flags().StringVarP(&flags.output, "output", "o", "", "the recording `FILE` to write; - is stdout")
	return c
}

func (f *dtraceFlags) run(ctx context.Context) error {
	switch {
	case f.binary != "" && f.pid != 0:
		return errors.New("both --bin and --pid are given: give one of them")
	case f.parse == "" && f.output != "":
		return errors.New("-o is where the recording goes that --parse makes; a script goes to stdout")
	case f.parse != "" && f.output == "":
		return errors.New("--parse makes a recording: say into which file with -o FILE")
	case f.pid != 0:
		path, err := exePath(int(f.pid))
		if err != nil {
			return err
		}
		f.binary = path
	case f.binary == "":
		return errors.New("no program is given: use --bin FILE or -p PID")
	}
	b, err := gobinary.Open(f.binary)
	if err != nil {
		return err
	}
	if f.parse == "" {
		err = f.print(b)
	} else {
		err = f.record(ctx, b)
	}
	return errors.Join(err, b.Close())
}

// print prints the script.
func (f *dtraceFlags) print(b *gobinary.Binary) error {
	script, err := dtrace.NewScript(b, f.mode)
	if err != nil {
		return fmt.Errorf("%s: %w", f.binary, err)
	}
	_, err = script.WriteTo(os.Stdout)
	return err
}

// record makes a recording of saved output.
func (f *dtraceFlags) record(ctx context.Context, b *gobinary.Binary) (err error) {
	var saved io.Reader = os.Stdin
	if f.parse != recording.Standard {
		file, err := os.Open(f.parse)
		if err != nil {
			return err
		}
		defer file.Close()
		saved = file
	}
	source, err := dtrace.Replay(saved, dtrace.Config{
		Binary: b, Process: wait.Process{Name: filepath.Base(f.binary)}, Exe: f.binary, Kernel: b.OS, Tool: version(),
	})
	if err != nil {
		return fmt.Errorf("reading %s: %w", f.parse, err)
	}
	writer, err := recording.Create(f.output, source.Meta(), recording.Options{})
	if err != nil {
		return err
	}
	if err = source.Run(ctx, writer); err == nil {
		err = writer.Event(source.Ended())
	}
	if err = errors.Join(err, writer.Close()); err != nil {
		return fmt.Errorf("reading %s: %w", f.parse, err)
	}
	stats := source.Stats()
	fmt.Fprintf(os.Stderr, "%d waits, %d records lost, %d other lines\n", stats.Delivered, stats.Lost, source.Foreign())
	return nil
}
