//go:build !linux

package main

import (
	"errors"
	"runtime"

	"github.com/spf13/cobra"
)

// addPlatformCommands adds nothing: netpolltrace itself records on Linux. What
// was recorded is read everywhere.
func addPlatformCommands(root *cobra.Command) {
	root.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return c.Help()
		}
		return errors.New(instead(runtime.GOOS))
	}
}

// instead says what to do on a system on which netpolltrace does not record.
func instead(system string) string {
	switch system {
	case "darwin", "freebsd":
		return "on this system a D script records: netpolltrace dtrace -p PID prints it, and netpolltrace dtrace --parse reads its output"
	case "windows":
		return "on Windows Go's netpoller uses I/O completion ports, which netpolltrace cannot trace; record on Linux and read the file here with netpolltrace report FILE"
	}
	return "recording works on Linux only: record there, and read the file here with netpolltrace report FILE"
}
