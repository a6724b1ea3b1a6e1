package process

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// FD is what a descriptor of a process refers to.
type FD struct {
	// Target is the kernel's name of it: "socket:[4711]", "pipe:[4712]",
	// "anon_inode:[eventpoll]", or a path as the process sees it.
	Target string
}

// Inode is the inode of a socket or a pipe; false for anything else.
func (fd FD) Inode() (uint64, bool) {
	kind, rest, _ := strings.Cut(fd.Target, ":[")
	if kind != "socket" && kind != "pipe" {
		return 0, false
	}
	inode, err := strconv.ParseUint(strings.TrimSuffix(rest, "]"), 10, 64)
	return inode, err == nil
}

// IsSocket tells whether it is a socket.
func (fd FD) IsSocket() bool { return strings.HasPrefix(fd.Target, "socket:[") }

// IsEpoll tells whether it is an epoll set.
func (fd FD) IsEpoll() bool { return fd.Target == "anon_inode:[eventpoll]" }

// FDs are the descriptors of the process, by number. Those that are closed
// meanwhile are left out.
func (p *Process) FDs() (map[int]FD, error) {
	dir, err := os.Open(procPath(p.PID, "fd"))
	if err != nil {
		return nil, p.explain("listing the descriptors", err)
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, p.explain("listing the descriptors", err)
	}
	return readLinks(int(dir.Fd()), names)
}

// readLinks reads the links of a directory of descriptors. A server may have
// tens of thousands of them, so that the path is not walked for each.
func readLinks(dir int, names []string) (map[int]FD, error) {
	fds := make(map[int]FD, len(names))
	target := make([]byte, unix.PathMax)
	for _, name := range names {
		number, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		n, err := unix.Readlinkat(dir, name, target)
		switch {
		case errors.Is(err, unix.ENOENT):
			continue
		case err != nil:
			return nil, fmt.Errorf("reading descriptor %d: %w", number, err)
		}
		fds[number] = FD{Target: string(target[:n])}
	}
	return fds, nil
}
