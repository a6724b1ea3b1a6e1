package probes

import (
	"fmt"
	"os"
	"sync"
	"syscall"

	"github.com/netpolltrace/netpolltrace/gobinary"
	"github.com/netpolltrace/netpolltrace/process"
)

// executables are the executables of the processes that are recorded: processes
// of one executable share what is known of it.
type executables struct {
	mu   sync.Mutex
	byID map[fileID]*executable
}

// fileID identifies an executable's file.
type fileID struct{ device, inode uint64 }

// executable is one in use.
type executable struct {
	*gobinary.Binary
	id    fileID
	users int
}

// open opens the executable of a process, until it is released.
func (e *executables) open(p *process.Process) (*executable, error) {
	id, err := identify(p.ExePath())
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if known := e.byID[id]; known != nil {
		known.users++
		return known, nil
	}
	opened, err := gobinary.Open(p.ExePath())
	if err != nil {
		return nil, err
	}
	if e.byID == nil {
		e.byID = make(map[fileID]*executable)
	}
	e.byID[id] = &executable{Binary: opened, id: id, users: 1}
	return e.byID[id], nil
}

func (e *executables) release(used *executable) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if used.users--; used.users > 0 {
		return nil
	}
	delete(e.byID, used.id)
	return used.Close()
}

// identify tells which file a path leads to.
func identify(path string) (fileID, error) {
	info, err := os.Stat(path)
	if err != nil {
		return fileID{}, err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fileID{}, fmt.Errorf("reading %s: no inode", path)
	}
	return fileID{st.Dev, st.Ino}, nil
}
