// Package probes is netpolltrace's kernel side on Linux: it finds out what the
// running kernel offers, chooses the hooks for a recording, loads and attaches
// the programs of package bpf, and turns what they send into waits.
//
// What a Go binary is like it takes from package gobinary, what the process is
// like from package process, what a wait means package wait; it decides on none
// of them. A [Recorder] is a [wait.Source].
package probes
