// Package process looks at a live Go program from outside: its memory,
// threads, descriptors, sockets, namespaces and cgroups, and from them which
// goroutine waits for what right now. It also starts the program that is to be
// watched, and watches how much CPU the host lets it have.
//
// Nothing here stops the program or changes it: memory is read with
// process_vm_readv while the program runs, and what changed under the reader's
// eyes is read again or left out. What a Go executable is like in general
// comes from package gobinary; this package never asks for a version.
//
// Most of it is about Linux. On macOS and FreeBSD it finds processes, their
// executables and their sockets, for recordings by DTrace.
package process
