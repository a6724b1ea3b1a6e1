// Command netpolltrace shows what the goroutines of a running Go program wait
// for, and whose time it is: the network's, the netpoller's or the scheduler's.
//
// Each command has a file of its own here, which reads flags, wires the pieces
// together and prints; what they do is in the packages.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/netpolltrace/netpolltrace/report/render"
)

// Exit statuses; docs/how-it-works.md lists them for users.
const (
	statusFine    = 0
	statusTrouble = 2 // usage, rights, a bad file: said in one line
)

func main() {
	os.Exit(run(os.Args[1:]))
}

// run carries out a command line and returns the exit status.
func run(args []string) int {
	root := newRoot()
	root.SetArgs(args)
	out := &help{to: os.Stdout}
	root.SetOut(out)
	err := errors.Join(root.ExecuteContext(context.Background()), out.err)
	var exit *exitError
	switch {
	case err == nil:
		return statusFine
	case errors.As(err, &exit):
		if exit.err != nil {
			complain(exit.err)
		}
		return exit.status
	}
	complain(err)
	return statusTrouble
}

// help is where help texts go, which are written by code that takes no notice of
// errors.
type help struct {
	to  io.Writer
	err error // the first one
}

func (h *help) Write(text []byte) (int, error) {
	n, err := h.to.Write(text)
	if err != nil && h.err == nil {
		h.err = fmt.Errorf("printing the help: %w", err)
	}
	return n, err
}

// complain prints an error as one line.
func complain(err error) {
	say(strings.ReplaceAll(err.Error(), "\n", " ")) // between joined errors
}

// say prints a line of progress or trouble. Names in it may be a stranger's.
func say(line string) {
	fmt.Fprintln(os.Stderr, "netpolltrace:", render.Printable(line))
}

// exitError ends netpolltrace with a status of its own.
type exitError struct {
	status int
	err    error // nil: there is nothing to say
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit status %d", e.status)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "netpolltrace PID|NAME",
		Short: "Show what a Go program's goroutines wait for, and whose time it is",
		Long: `netpolltrace traces the Go netpoller of a running program, without changing or
restarting it, and says for each wait who waited, on which socket, from which
line, how long, and whose time it was: the network's, the netpoller's, the Go
scheduler's or another goroutine's (mode all).

With a PID or the name of a program it records ten seconds and prints a report.`,
		Example: `  netpolltrace demo
  netpolltrace checkout-api
  netpolltrace 4171`,
		Version:       version(),
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          atMost(1),
		CompletionOptions: cobra.CompletionOptions{
			HiddenDefaultCmd: true,
		},
	}
	root.SetVersionTemplate("netpolltrace {{.Version}}\n")
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return fmt.Errorf("%w; see %s --help", err, c.CommandPath())
	})
	root.AddCommand(newReport(), newExplain(), newExport(), newDtrace())
	addPlatformCommands(root)
	return root
}

// atMost refuses more than n arguments.
func atMost(n int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) > n {
			return fmt.Errorf("%q is one argument too many; see %s --help", args[n], c.CommandPath())
		}
		return nil
	}
}

// version is the module's version, as the go command stamped it.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
