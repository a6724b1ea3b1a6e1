package process

import (
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/netpolltrace/netpolltrace/gobinary"
)

// ErrExited is wrapped by errors that come of the process having exited.
var ErrExited = errors.New("the process has exited")

// ErrExec is wrapped by errors that come of the process having started
// another program (execve) since it was opened.
var ErrExec = errors.New("the process runs another program now")

// Process is a live process, opened for reading. Its methods may be called
// concurrently.
type Process struct {
	PID  int    // in the PID namespace of the caller
	Name string // base name of the executable
	// Exe is the path of the executable as the process itself sees it: it may
	// mean nothing, or another file, in the caller's root. Read [Process.ExePath].
	Exe string
	// Deleted tells that the executable's file was deleted or replaced since
	// the process started.
	Deleted bool

	memory *os.File // /proc/PID/mem of the program that ran when it was opened
	pidfd  *os.File

	watchExit sync.Once
	exited    chan struct{}

	pidReadv vmReader
	plugins  plugins
}

// Open opens the process with a PID of the caller's PID namespace. Each of its
// errors says what to do.
func Open(pid int) (*Process, error) {
	if pid <= 0 {
		return nil, fmt.Errorf("%d is not a PID: give the number that `pgrep -l NAME` prints", pid)
	}
	st, err := checkTraceable(pid)
	if err != nil {
		return nil, err
	}
	p := &Process{PID: pid, exited: make(chan struct{})}
	p.pidReadv.pid = pid
	p.plugins.process, p.plugins.opened = p, make(map[string]*gobinary.Binary)
	if p.pidfd, err = openPidfd(pid); err != nil {
		return nil, openError(pid, st, "opening a pidfd", err)
	}
	if p.Exe, err = os.Readlink(p.ExePath()); err != nil {
		p.Close()
		return nil, openError(pid, st, "reading the executable's name", err)
	}
	if p.memory, err = os.Open(procPath(pid, "mem")); err != nil {
		p.Close()
		return nil, openError(pid, st, "opening the memory", err)
	}
	p.Exe, p.Deleted = strings.CutSuffix(p.Exe, " (deleted)")
	// Of a process after chroot(2) the kernel tells the path in our root.
	if root, err := os.Readlink(procPath(pid, "root")); err == nil {
		if below, ok := cutDir(p.Exe, root); ok {
			p.Exe = below
		}
	}
	p.Name = path.Base(p.Exe)
	return p, nil
}

// checkTraceable tells whether pid is a process at all, and one with a program.
func checkTraceable(pid int) (stat, error) {
	st, err := readStat(pid)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if kill := unix.Kill(pid, 0); kill == nil || errors.Is(kill, unix.EPERM) {
			return st, fmt.Errorf("process %d is hidden from this user (/proc is mounted with hidepid): run netpolltrace with sudo", pid)
		}
		return st, fmt.Errorf("no process with PID %d here: find it with `pgrep -l NAME` (in a container PIDs are other numbers than outside)", pid)
	case err != nil:
		return st, err
	case st.State == 'Z' || st.State == 'X':
		return st, fmt.Errorf("process %d (%s) has exited and only waits for its parent (a zombie): give the PID of a running process", pid, st.Comm)
	case st.Flags&flagKernelThread != 0:
		return st, fmt.Errorf("process %d (%s) is a thread of the kernel: give the PID of a Go program", pid, st.Comm)
	}
	s, err := readStatus(procPath(pid, "status"))
	if err == nil && s.TGID != 0 && s.TGID != pid {
		return st, fmt.Errorf("%d is a thread of process %d: use -p %d", pid, s.TGID, s.TGID)
	}
	return st, err
}

func openPidfd(pid int) (*os.File, error) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil, err
	}
	// Non-blocking, so that the file's waits go through the netpoller and end
	// when it is closed.
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), "pidfd"), nil
}

// openError explains the errors that mean "no right" or "too late", which any
// step of opening a process may return.
func openError(pid int, st stat, step string, err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return rightsError(pid, st, err)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ESRCH):
		return fmt.Errorf("process %d (%s) exited while it was being opened: %w; start it again", pid, st.Comm, ErrExited)
	}
	return fmt.Errorf("%s of process %d (%s): %w", step, pid, st.Comm, err)
}

// Close gives back what was opened. The process runs on.
func (p *Process) Close() error {
	p.plugins.close()
	var errs []error
	for _, f := range []*os.File{p.memory, p.pidfd} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}

// ExePath is a path under which the process's executable can be opened as long
// as the process lives, also when its file was deleted or replaced, and when
// it lies in a container.
func (p *Process) ExePath() string { return procPath(p.PID, "exe") }

// Bias is the difference between the process's addresses and b's link-time
// addresses: 0 unless the executable is position-independent.
func (p *Process) Bias(b *gobinary.Binary) (uint64, error) {
	if !b.PIE {
		return 0, nil
	}
	auxv, err := os.ReadFile(procPath(p.PID, "auxv"))
	if err != nil {
		return 0, p.explain("reading the auxiliary vector", err)
	}
	entry, ok := auxvEntry(auxv)
	if !ok {
		return 0, fmt.Errorf("reading the auxiliary vector of process %d: no entry point in it", p.PID)
	}
	f, err := elf.Open(p.ExePath())
	if err != nil {
		return 0, p.explain("reading the executable", err)
	}
	defer f.Close()
	return entry - f.Entry, nil
}

// auxvEntry finds AT_ENTRY, the address at which the program was entered; see
// getauxval(3). The words are of the host's order, which is little endian on
// all systems that are supported.
func auxvEntry(auxv []byte) (uint64, bool) {
	const atEntry = 9
	for pair := range slices.Chunk(auxv, 16) {
		if len(pair) == 16 && binary.LittleEndian.Uint64(pair) == atEntry {
			return binary.LittleEndian.Uint64(pair[8:]), true
		}
	}
	return 0, false
}

// Threads are the process's threads, by their IDs in the caller's PID namespace.
func (p *Process) Threads() ([]int, error) {
	tids, err := numberedEntries(procPath(p.PID, "task"))
	if err != nil {
		return nil, p.explain("listing the threads", err)
	}
	return tids, nil
}

// Pidfd is a descriptor for the process, as pidfd_open(2) makes it. It is
// valid until Close and is not to be closed.
func (p *Process) Pidfd() (int, error) {
	conn, err := p.pidfd.SyscallConn()
	if err != nil {
		return -1, err
	}
	fd := -1
	err = conn.Control(func(raw uintptr) { fd = int(raw) })
	return fd, err
}

// Exited is closed when the process has exited, with all of its threads. It
// stays open if the Process is closed first.
func (p *Process) Exited() <-chan struct{} {
	p.watchExit.Do(func() {
		go func() {
			conn, err := p.pidfd.SyscallConn()
			if err != nil {
				return
			}
			if err := conn.Read(pidfdReady); err == nil {
				close(p.exited)
			}
		}()
	})
	return p.exited
}

// pidfdReady tells whether a pidfd's process has exited.
func pidfdReady(fd uintptr) bool {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, 0)
	return err == nil && n == 1
}

// Running is nil while the process runs the program with which it was opened;
// else an error that wraps [ErrExited] or [ErrExec].
func (p *Process) Running() error {
	fd, err := p.Pidfd()
	if err != nil {
		return fmt.Errorf("watching process %d: %w", p.PID, err)
	}
	if pidfdReady(uintptr(fd)) {
		return fmt.Errorf("process %d (%s): %w", p.PID, p.Name, ErrExited)
	}
	// The file belongs to the memory of the program that ran when it was
	// opened. Reads of memory that is gone find its end; in a living one
	// address 0 is not mapped, which is an error.
	if _, err := p.memory.ReadAt(make([]byte, 1), 0); errors.Is(err, io.EOF) {
		return fmt.Errorf("process %d (%s): %w", p.PID, p.Name, ErrExec)
	}
	return nil
}

// explain wraps an error of looking at the process; where the process is gone
// it says that instead of what the kernel calls it.
func (p *Process) explain(operation string, err error) error {
	if running := p.Running(); running != nil {
		return fmt.Errorf("%s: %w", operation, running)
	}
	return fmt.Errorf("%s of process %d (%s): %w", operation, p.PID, p.Name, err)
}

// Stopped tells whether a signal, such as SIGSTOP, holds the process where it is.
func (p *Process) Stopped() bool {
	st, err := readStat(p.PID)
	return err == nil && st.State == 'T'
}
