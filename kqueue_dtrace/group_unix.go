//go:build unix

package dtrace

import "syscall"

// ownGroup puts a process into a process group of its own, out of the reach of
// the terminal's keys.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
