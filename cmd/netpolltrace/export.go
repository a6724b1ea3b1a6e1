package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	"github.com/spf13/cobra"

	"github.com/netpolltrace/netpolltrace/export"
	"github.com/netpolltrace/netpolltrace/recording"
)

func newExport() *cobra.Command {
	var output, formatName string
	c := &cobra.Command{
		Use:   "export [FILE...] -o OUT",
		Short: "Write each wait of recordings for other tools",
		Long: `Writes the waits of one or more recordings one by one, for tools that take a table:
a row for each wait, with all its columns; docs/recording-format.md explains them.
Without a file it reads the newest recording in this folder; - is standard input,
and as OUT standard output. An older OUT is replaced.

Formats: ` + strings.Join(export.Names(), ", ") + ` (a JSON object a line).`,
		Example: `  netpolltrace export -o waits.jsonl
  netpolltrace export checkout-20261123-221530.netpolltrace.arrows -o waits.jsonl
  netpolltrace export -o - | jq -r 'select(.sched_ns > 1e6) | .line'`,
		RunE: func(c *cobra.Command, files []string) error {
			if err := canReport(output); err != nil {
				return err
			}
			format, err := exportFormat(formatName, output)
			if err != nil {
				return err
			}
			return runExport(c.Context(), format, output, files)
		},
	}
	c.Flags().StringVarP(&output, "output", "o", "", "`OUT`, the file to write; its extension picks the format: "+strings.Join(export.Extensions(), " "))
	c.Flags().StringVar(&formatName, "format", "", "the `FORMAT` to write: "+strings.Join(export.Names(), ", ")+" (default by the extension, jsonl on standard output)")
	return c
}

func exportFormat(name, output string) (export.Format, error) {
	switch {
	case output == "":
		return export.Format{}, errors.New("no output is given: give -o OUT, or -o - for standard output")
	case name != "":
		return export.ByName(name)
	case output == recording.Standard:
		return export.ByName("jsonl")
	}
	return export.ByPath(output)
}

func runExport(ctx context.Context, format export.Format, output string, files []string) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
	defer stop()
	files, err := inputs(files)
	if err != nil {
		return err
	}
	write := func(to io.Writer) error { return exportTo(ctx, format.New(to), files) }
	if output == recording.Standard {
		return write(os.Stdout)
	}
	return writeFile(output, write)
}

// exportTo writes the intact part of the recordings, and says what is damaged.
func exportTo(ctx context.Context, to export.Writer, files []string) error {
	for _, file := range files {
		if err := exportRecording(ctx, to, file); err != nil {
			return err
		}
	}
	return to.Close()
}

func exportRecording(ctx context.Context, to export.Writer, file string) error {
	reader, err := recording.Open(file)
	if err != nil {
		return err
	}
	defer reader.Close()
	if err := reader.Run(ctx, to); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return errors.New("interrupted")
	}
	warnOf(reader, file)
	return nil
}

// warnOf says what is wrong with a recording that was read, if anything is.
func warnOf(reader *recording.Reader, file string) {
	if !reader.Sealed() {
		complain(fmt.Errorf("warning: %s: %w", file, recording.ErrUnsealed))
	}
	if damage := reader.Damage(); damage != nil {
		complain(fmt.Errorf("warning: %s: %w", file, damage))
	}
}
