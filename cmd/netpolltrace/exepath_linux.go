package main

import (
	"fmt"
	"os"
)

// exePath is a file that holds the executable of a process.
func exePath(pid int) (string, error) {
	path := fmt.Sprintf("/proc/%d/exe", pid)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("there is no process %d, or its executable cannot be read: %w", pid, err)
	}
	return path, nil
}
