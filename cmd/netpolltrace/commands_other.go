//go:build !linux

package main

import (
	"errors"

	"github.com/spf13/cobra"
)

// addPlatformCommands adds nothing: recordings are made on Linux, and read
// everywhere.
func addPlatformCommands(root *cobra.Command) {
	root.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return c.Help()
		}
		return errors.New("recording works on Linux only: record there, and read the file here with netpolltrace report FILE")
	}
}
