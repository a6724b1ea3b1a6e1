package main

import (
	"fmt"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// exePath is the file of the executable of a process: what libproc's proc_pidpath
// asks for, by the same system call. See bsd/sys/proc_info.h.
func exePath(pid int) (string, error) {
	const (
		callPIDInfo = 2
		pidPathInfo = 11
		maxSize     = 4 * 1024 // PROC_PIDPATHINFO_MAXSIZE
	)
	path := make([]byte, maxSize)
	_, _, errno := syscall.Syscall6(unix.SYS_PROC_INFO, callPIDInfo, uintptr(pid), pidPathInfo, 0,
		uintptr(unsafe.Pointer(unsafe.SliceData(path))), maxSize)
	if errno != 0 {
		return "", fmt.Errorf("finding the executable of process %d: %w", pid, errno)
	}
	return unix.ByteSliceToString(path), nil
}
