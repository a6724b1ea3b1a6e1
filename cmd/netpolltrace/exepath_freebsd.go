package main

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// exePath is the file of the executable of a process. See sysctl(3),
// KERN_PROC_PATHNAME.
func exePath(pid int) (string, error) {
	name, err := unix.SysctlRaw("kern.proc.pathname", pid)
	if err != nil {
		return "", fmt.Errorf("finding the executable of process %d: %w", pid, err)
	}
	return unix.ByteSliceToString(name), nil
}
