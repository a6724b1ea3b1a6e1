package main

import "github.com/spf13/cobra"

// addPlatformCommands adds the commands that look at live processes.
func addPlatformCommands(root *cobra.Command) {
	root.AddCommand(newRecord(), newPs(), newDoctor(), newDemo(), newWorkload(), newPeers())
	root.RunE = recordArgument
}

const doctorHelp = `Tells what can be recorded on this machine and, if one is given, of a process:
kernel, rights, each hook and what is measured with it, each place and variable
of the process's Go runtime. It tests by recording: a loopback exchange of its own,
and for a moment the process, with the probes of each mode.

The exit status is 2 if nothing can be recorded.`
