//go:build darwin || freebsd

package main

import "github.com/spf13/cobra"

// addPlatformCommands adds the commands that look at live processes.
func addPlatformCommands(root *cobra.Command) {
	root.AddCommand(newRecord(), newDoctor())
	root.RunE = recordArgument
}

const doctorHelp = `Tells what can be recorded on this machine by DTrace and, if one is given, of a
process: rights, System Integrity Protection or kernel modules, whether dtrace runs,
whether a script can be made for the executable and finds its probes. Nothing is
put into the process.

The exit status is 2 if nothing can be recorded.`
