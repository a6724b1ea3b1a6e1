//go:build darwin || freebsd

package main

import "github.com/netpolltrace/netpolltrace/process"

// exePath is the file of the executable of a process.
func exePath(pid int) (string, error) {
	p, err := process.Open(pid)
	if err != nil {
		return "", err
	}
	return p.Exe, nil
}
