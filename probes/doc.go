// Package probes is netpolltrace's kernel side on Linux: it finds out what the
// running kernel offers, chooses the hooks for a recording, loads and attaches
// the programs of package bpf, and turns what they send into waits.
//
// Three things live for different times. The machine's part is loaded once: the
// programs, the maps and the hooks in the kernel. A process's part comes and
// goes while the recorder runs: what is known of its executable, its probes, its
// descriptors and stacks. A mode is a row of a table, and a process can be given
// another while it is recorded.
//
// What a Go binary is like it takes from package gobinary, what the process is
// like from package process, what a wait means package wait; it decides on none
// of them. A [Recorder] is a [wait.Source].
package probes
