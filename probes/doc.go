// Package probes is netpolltrace's kernel side on Linux: it finds out what the
// running kernel offers, chooses the hooks for a recording, loads and attaches
// the programs of package bpf, and turns what they send into waits.
//
// What a Go binary is like it takes from package gobinary, what the process is
// like from package process; it decides on neither. A [Recorder] is a
// [wait.Source]: the meaning of each wait (its parts, its outcome, its socket)
// is settled here, once.
package probes
