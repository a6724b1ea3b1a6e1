package process

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/netpolltrace/netpolltrace/wait"
)

// executable is by sysctl(3), KERN_PROC_PATHNAME.
func executable(pid int) (string, error) {
	path, err := unix.SysctlRaw("kern.proc.pathname", pid)
	return unix.ByteSliceToString(path), err
}

// running is by KERN_PROC_PROC: a struct kinfo_proc for each process, which
// begins with its size. See sys/sys/user.h.
func running() ([]int, error) {
	const pidAt = 72
	all, err := unix.SysctlRaw("kern.proc.proc")
	if err != nil {
		return nil, err
	}
	var pids []int
	for len(all) >= pidAt+4 {
		size := int(binary.LittleEndian.Uint32(all))
		if size < pidAt+4 || size > len(all) {
			break
		}
		pids = append(pids, int(binary.LittleEndian.Uint32(all[pidAt:])))
		all = all[size:]
	}
	return pids, nil
}

// argsOf is a process's command line, by KERN_PROC_ARGS.
func argsOf(pid int) ([]string, error) {
	text, err := unix.SysctlRaw("kern.proc.args", pid)
	return words(text), err
}

// Descriptors are the sockets and pipes that the process has now, by
// KERN_PROC_FILEDESC, as procstat -f shows them.
func (p *Process) Descriptors() ([]wait.Descriptor, error) {
	all, err := unix.SysctlRaw("kern.proc.filedesc", p.PID)
	if err != nil {
		return nil, fmt.Errorf("listing the descriptors of process %d (%s): %w", p.PID, p.Name, err)
	}
	return kinfoFiles(all), nil
}
