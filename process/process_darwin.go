package process

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/netpolltrace/netpolltrace/wait"
)

// What libproc asks the kernel for, by the same system call: without cgo there
// is no libproc. See bsd/sys/proc_info.h of xnu.
const (
	callPIDInfo   = 2
	callPIDFDInfo = 3

	pidListFDs      = 1
	pidPathInfo     = 11
	fdSocketInfo    = 3
	fdInfoSize      = 8 // struct proc_fdinfo
	fdTypeSocket    = 2
	fdTypePipe      = 6
	maxPathInfoSize = 4 * 1024
)

// procInfo is the system call proc_info; it returns how much it has written.
func procInfo(call, pid, flavor int, argument uint64, buffer []byte) (int, error) {
	n, _, errno := syscall.Syscall6(unix.SYS_PROC_INFO, uintptr(call), uintptr(pid), uintptr(flavor), uintptr(argument),
		uintptr(unsafe.Pointer(unsafe.SliceData(buffer))), uintptr(len(buffer)))
	if errno != 0 {
		return 0, errno
	}
	return min(int(n), len(buffer)), nil
}

func executable(pid int) (string, error) {
	path := make([]byte, maxPathInfoSize)
	if _, err := procInfo(callPIDInfo, pid, pidPathInfo, 0, path); err != nil {
		return "", err
	}
	return unix.ByteSliceToString(path), nil
}

func running() ([]int, error) {
	all, err := unix.SysctlKinfoProcSlice("kern.proc.all")
	if err != nil {
		return nil, err
	}
	pids := make([]int, len(all))
	for i := range all {
		pids[i] = int(all[i].Proc.P_pid)
	}
	return pids, nil
}

// argsOf is a process's command line. See sysctl(3), KERN_PROCARGS2: the number of
// arguments, the executable's path, NULs, the arguments, the environment.
func argsOf(pid int) ([]string, error) {
	const countSize = 4
	text, err := unix.SysctlRaw("kern.procargs2", pid)
	if err != nil {
		return nil, err
	}
	if len(text) < countSize {
		return nil, errors.New("there is none")
	}
	count := int(binary.LittleEndian.Uint32(text))
	_, rest, _ := bytes.Cut(text[countSize:], []byte{0})
	args := words(bytes.TrimLeft(rest, "\x00"))
	return args[:min(count, len(args))], nil
}

// Descriptors are the sockets and pipes that the process has now.
func (p *Process) Descriptors() ([]wait.Descriptor, error) {
	list, err := p.listFDs()
	if err != nil {
		return nil, fmt.Errorf("listing the descriptors of process %d (%s): %w", p.PID, p.Name, err)
	}
	var all []wait.Descriptor
	buffer := make([]byte, darwinSocket.size)
	for ; len(list) >= fdInfoSize; list = list[fdInfoSize:] {
		fd := int32(binary.LittleEndian.Uint32(list))
		switch binary.LittleEndian.Uint32(list[4:]) {
		case fdTypePipe:
			all = append(all, wait.Descriptor{FD: fd, Proto: wait.ProtoPipe})
		case fdTypeSocket:
			n, err := procInfo(callPIDFDInfo, p.PID, fdSocketInfo, uint64(fd), buffer)
			if err != nil {
				continue // it was closed meanwhile
			}
			if d, ok := darwinSocket.socket(fd, buffer[:n]); ok {
				all = append(all, d)
			}
		}
	}
	assignRoles(all)
	return all, nil
}

// listFDs is a struct proc_fdinfo for each descriptor. With no buffer the kernel
// tells how much room they take; some may be opened meanwhile.
func (p *Process) listFDs() ([]byte, error) {
	const tries, spare = 4, 64 * fdInfoSize
	for range tries {
		n, _, errno := syscall.Syscall6(unix.SYS_PROC_INFO, callPIDInfo, uintptr(p.PID), pidListFDs, 0, 0, 0)
		if errno != 0 {
			return nil, errno
		}
		list := make([]byte, int(n)+spare)
		size, err := procInfo(callPIDInfo, p.PID, pidListFDs, 0, list)
		if err != nil {
			return nil, err
		}
		if size < len(list) {
			return list[:size], nil
		}
	}
	return nil, errors.New("it opens descriptors faster than they can be listed")
}
