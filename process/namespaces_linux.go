package process

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// NamespaceID identifies a namespace of the kernel, as stat(2) of a link in
// /proc/PID/ns does. Kernel programs compare their process's namespace with it
// (bpf_get_ns_current_pid_tgid).
type NamespaceID struct {
	Dev, Inode uint64
}

// OwnPIDNamespace is the PID namespace of the caller.
func OwnPIDNamespace() (NamespaceID, error) { return namespaceID("/proc/self/ns/pid") }

// PIDNamespace is the PID namespace that the process lives in.
func (p *Process) PIDNamespace() (NamespaceID, error) {
	id, err := namespaceID(procPath(p.PID, "ns/pid"))
	if err != nil {
		return NamespaceID{}, p.explain("reading the PID namespace", err)
	}
	return id, nil
}

func namespaceID(link string) (NamespaceID, error) {
	var st unix.Stat_t
	if err := unix.Stat(link, &st); err != nil {
		return NamespaceID{}, fmt.Errorf("reading %s: %w", link, err)
	}
	return NamespaceID{Dev: uint64(st.Dev), Inode: st.Ino}, nil
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
