package doctor

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strings"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/netpolltrace/netpolltrace/internal/rights"
)

// machine is what is known of the machine and of this process on it.
type machine struct {
	release string // of the kernel, as uname -r prints it
	arch    string // as Go names it
	btf     bool   // the kernel describes its types
	tracefs string // where it is mounted; empty if it is not
	bpf     error  // of making a BPF map

	uid  int // effective
	held rights.Set
	// memoryUnlimited tells that as much memory may be locked as wanted.
	memoryUnlimited bool
	// ofMachine tells that the rights are those of the machine, not of a user
	// namespace.
	ofMachine bool
	// outermost tells that this is the machine's own PID namespace.
	outermost bool
	container string // the file that tells of a container; empty if none does

	// sysctls holds kernel parameters by name; those that the kernel does not
	// have are not in it.
	sysctls  map[string]string
	lockdown string // none, integrity or confidentiality; empty if not known
	seccomp  string // of this process: "0" none, "1" strict, "2" a filter
	label    string // that a security module gave this process; empty for none
}

// The kernel parameters that are looked at.
const (
	unprivilegedBPF = "kernel.unprivileged_bpf_disabled"
	perfParanoid    = "kernel.perf_event_paranoid"
	ptraceScope     = "kernel.yama.ptrace_scope"
)

// lookAtMachine gathers the facts. What cannot be read stays empty: many of
// them are there on some machines only.
func lookAtMachine() (*machine, error) {
	m := readMachine(os.DirFS("/"))
	m.arch, m.uid = runtime.GOARCH, os.Geteuid()
	var uname unix.Utsname
	if err := unix.Uname(&uname); err != nil {
		return nil, fmt.Errorf("reading the kernel's version: %w", err)
	}
	m.release = unix.ByteSliceToString(uname.Release[:])
	var err error
	if m.held, err = rights.Held(); err != nil {
		return nil, err
	}
	if m.ofMachine, err = rights.OfMachine(); err != nil {
		return nil, err
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit); err != nil {
		return nil, fmt.Errorf("reading the limit of locked memory: %w", err)
	}
	m.memoryUnlimited = limit.Cur == unix.RLIM_INFINITY
	var ns unix.Stat_t
	if err := unix.Stat("/proc/self/ns/pid", &ns); err != nil {
		return nil, fmt.Errorf("reading our own PID namespace: %w", err)
	}
	m.outermost = ns.Ino == initialPIDNamespace
	m.bpf = makeMap()
	return m, nil
}

// initialPIDNamespace is the inode of the first PID namespace, fixed by the
// kernel (PROC_PID_INIT_INO, include/linux/proc_ns.h).
const initialPIDNamespace = 0xEFFFFFFC

func makeMap() error {
	m, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 4, MaxEntries: 1})
	if err != nil {
		return err
	}
	return m.Close()
}

// readMachine reads the facts that stand in files; root is the file system.
func readMachine(root fs.FS) *machine {
	m := &machine{sysctls: make(map[string]string)}
	_, err := fs.Stat(root, "sys/kernel/btf/vmlinux")
	m.btf = err == nil
	m.tracefs = mountOf(root, "tracefs")
	for _, name := range []string{unprivilegedBPF, perfParanoid, ptraceScope} {
		if value, ok := readWord(root, "proc/sys/"+strings.ReplaceAll(name, ".", "/")); ok {
			m.sysctls[name] = value
		}
	}
	if choices, ok := readWord(root, "sys/kernel/security/lockdown"); ok {
		m.lockdown = bracketed(choices)
	}
	m.seccomp = statusField(root, "Seccomp")
	m.label, _ = readWord(root, "proc/self/attr/current")
	for _, name := range []string{".dockerenv", "run/.containerenv"} {
		if _, err := fs.Stat(root, name); !errors.Is(err, fs.ErrNotExist) {
			m.container = "/" + name
		}
	}
	return m
}

// readWord reads a file of one line.
func readWord(root fs.FS, name string) (string, bool) {
	text, err := fs.ReadFile(root, name)
	if err != nil {
		return "", false
	}
	return strings.TrimSpace(string(bytes.TrimRight(text, "\x00"))), true
}

// mountOf is where a file system of a type is mounted first; see fstab(5) for
// the form of the file.
func mountOf(root fs.FS, fstype string) string {
	text, err := fs.ReadFile(root, "proc/self/mounts")
	if err != nil {
		return ""
	}
	const dir, kind = 1, 2
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > kind && fields[kind] == fstype {
			return fields[dir]
		}
	}
	return ""
}

// bracketed is the choice in brackets: "none [integrity] confidentiality".
func bracketed(choices string) string {
	_, rest, _ := strings.Cut(choices, "[")
	choice, _, _ := strings.Cut(rest, "]")
	return choice
}

func statusField(root fs.FS, name string) string {
	text, err := fs.ReadFile(root, "proc/self/status")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// before tells whether the kernel is older than a release.
func (m *machine) before(major, minor int) bool {
	var own [2]int
	if n, _ := fmt.Sscanf(m.release, "%d.%d", &own[0], &own[1]); n < 2 {
		return false
	}
	return own[0] < major || own[0] == major && own[1] < minor
}
