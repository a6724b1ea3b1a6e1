//go:build !linux && !darwin && !freebsd

package main

import (
	"errors"
	"runtime"

	"github.com/spf13/cobra"
)

// addPlatformCommands adds nothing: netpolltrace records on Linux, macOS and
// FreeBSD. What was recorded is read everywhere.
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
	if system == "windows" {
		return "on Windows Go's netpoller uses I/O completion ports, which netpolltrace cannot trace; record on Linux, macOS or FreeBSD and read the file here with netpolltrace report FILE"
	}
	return "recording works on Linux, macOS and FreeBSD: record there, and read the file here with netpolltrace report FILE"
}
