// Package dtrace records Go programs by DTrace, on macOS and FreeBSD, where the
// netpoller sits on kqueue. A D script prints what happens at each wait of a
// goroutine, a record a line; the records of all CPUs are merged by time, joined
// into the moments of each wait, and out come finished waits, which mean what
// they mean on Linux ([wait.Moments]).
//
// Everything but the process dtrace(1) itself is portable: a script is made from
// the executable's file alone, for the system that the executable is for, and
// saved output is read anywhere. So the same script runs under DTrace for Linux
// too, with epoll's system call in the place of kevent: there the tests record
// live programs with it. On macOS and FreeBSD it has never run.
//
// What the record types are, which fields they have, and which version of the
// protocol this is, is one table: protocol.go.
package dtrace
