// Package vm boots Linux kernels in emulated machines and runs tests in them:
// what a kernel has, a recording must make use of, and that can only be seen on
// the kernel itself. The kernels are Debian's, fetched with apt and kept in the
// user's cache; the machines are QEMU's, without KVM, which machines for
// continuous integration rarely have.
//
// A machine has no disk: its kernel unpacks an archive with the programs init
// (package internal/vm/init), test (package internal/vm/guest) and what these start.
package vm
