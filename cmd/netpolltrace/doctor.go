//go:build linux || darwin || freebsd

package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/netpolltrace/netpolltrace/internal/doctor"
)

func newDoctor() *cobra.Command {
	var target targetFlags
	var format string
	c := &cobra.Command{
		Use:   "doctor [-p PID | --name NAME]",
		Short: "Tell what can be recorded here, what cannot, and how to fix it",
		Long:  doctorHelp,
		Example: `  netpolltrace doctor
  sudo netpolltrace doctor --name checkout-api`,
		RunE: func(c *cobra.Command, args []string) error {
			write, known := diagnosisFormats[format]
			if !known {
				return fmt.Errorf("there is no format %q: choose text or json", format)
			}
			target.argument(args)
			var open doctor.Opener // nil: this machine alone
			if target.given() {
				var err error
				if open, err = target.opener(); err != nil {
					return err
				}
			}
			report, err := doctor.Examine(c.Context(), open)
			if err != nil {
				return err
			}
			if err := write(report, os.Stdout); err != nil {
				return fmt.Errorf("printing what doctor found: %w", err)
			}
			if len(report.Recordable) == 0 {
				return &exitError{statusTrouble, nil} // the report's last line says it
			}
			return nil
		},
		Args: atMost(1),
	}
	target.addOne(c.Flags())
	c.Flags().StringVar(&format, "format", "text", "the `FORMAT` to print: text, json")
	return c
}

// diagnosisFormats are the ways to print what the doctor found.
var diagnosisFormats = map[string]func(*doctor.Report, io.Writer) error{
	"text": (*doctor.Report).WriteText,
	"json": (*doctor.Report).WriteJSON,
}
