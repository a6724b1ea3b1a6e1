//go:build !unix

package dtrace

import "syscall"

// ownGroup changes nothing: there is no dtrace(1) to start.
func ownGroup() *syscall.SysProcAttr { return nil }
