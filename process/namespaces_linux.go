package process

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// namespace identifies a namespace of the kernel.
type namespace struct {
	dev, inode uint64
}

// namespaceOf identifies a namespace by a link in /proc/PID/ns.
func namespaceOf(link string) (namespace, error) {
	var st unix.Stat_t
	if err := unix.Stat(link, &st); err != nil {
		return namespace{}, fmt.Errorf("reading %s: %w", link, err)
	}
	return namespace{dev: uint64(st.Dev), inode: st.Ino}, nil
}

// NSPIDs are the process's PIDs in each PID namespace that it is visible in,
// from the caller's to its own: one if the two are the same.
func (p *Process) NSPIDs() ([]int, error) {
	s, err := readStatus(procPath(p.PID, "status"))
	if err != nil {
		return nil, p.explain("reading the PIDs", err)
	}
	return s.NSPID, nil
}

// UID is the user that the process runs as, its real user ID as the caller's
// user namespace numbers it.
func (p *Process) UID() (int, error) {
	s, err := readStatus(procPath(p.PID, "status"))
	if err != nil {
		return -1, p.explain("reading the user", err)
	}
	return s.UID, nil
}

// CPUs is on how many CPUs the kernel lets the process run: what it found as
// runtime.NumCPU if that did not change since.
func (p *Process) CPUs() (int, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(p.PID, &set); err != nil {
		return 0, p.explain("reading the CPU affinity", err)
	}
	return set.Count(), nil
}

// onlineCPUs is how many CPUs the machine has switched on.
func onlineCPUs() (int, error) {
	text, err := os.ReadFile("/sys/devices/system/cpu/online")
	if err != nil {
		return 0, err
	}
	return parseCPUList(string(text))
}
