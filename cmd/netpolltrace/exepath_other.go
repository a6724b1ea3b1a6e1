//go:build !linux && !darwin && !freebsd

package main

import "errors"

// exePath cannot tell the executable of a process here.
func exePath(int) (string, error) {
	return "", errors.New("processes cannot be looked at on this system: name the executable with --bin FILE")
}
