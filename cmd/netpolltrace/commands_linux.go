package main

import "github.com/spf13/cobra"

// addPlatformCommands adds the commands that look at live processes.
func addPlatformCommands(root *cobra.Command) {
	root.AddCommand(newRecord(), newPs(), newDoctor(), newDemo(), newWorkload(), newPeers())
	root.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return c.Help()
		}
		return recordWord(c, args[0])
	}
}
