package process

import (
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// maxPieces is the kernel's limit on the pieces that one process_vm_readv
// reads (IOV_MAX).
const maxPieces = 1024

// piece is a piece of the process's memory that is to be read.
type piece struct {
	addr uint64
	buf  []byte
	ok   bool // all of buf was read
}

// vmReader reads the memory of a process in few system calls.
type vmReader struct {
	pid int
	// denied is set once the kernel refused process_vm_readv: it was compiled
	// out, or a seccomp filter of the tracer's container forbids it.
	denied atomic.Bool
}

// ReadAt reads the process's memory at an address; it implements
// [io.ReaderAt].
func (p *Process) ReadAt(b []byte, addr int64) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	pieces := []piece{{addr: uint64(addr), buf: b}}
	if err := p.readPieces(pieces); err != nil {
		return 0, err
	}
	if !pieces[0].ok {
		return 0, p.explain(fmt.Sprintf("reading %d bytes at %#x", len(b), addr), unix.EFAULT)
	}
	return len(b), nil
}

// readPieces reads all the pieces that can be read and marks them. Its error
// is about the process as a whole.
func (p *Process) readPieces(pieces []piece) error {
	for len(pieces) > 0 {
		if p.pidReadv.denied.Load() {
			return p.readPiecesSlowly(pieces)
		}
		batch := pieces[:min(len(pieces), maxPieces)]
		done, err := p.pidReadv.read(batch)
		switch {
		case errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EPERM):
			p.pidReadv.denied.Store(true)
			continue
		case err != nil:
			return p.explain("reading the memory", err)
		}
		if done < len(batch) {
			done++ // the piece at which the kernel stopped cannot be read
		}
		pieces = pieces[done:]
	}
	return nil
}

// read reads pieces up to the first that cannot be read, and returns how many
// it read. A piece of no length counts as read.
func (r *vmReader) read(pieces []piece) (int, error) {
	var locals [maxPieces]unix.Iovec
	var remotes [maxPieces]unix.RemoteIovec
	n := 0
	for i := range pieces {
		if len(pieces[i].buf) == 0 {
			continue
		}
		locals[n].Base = &pieces[i].buf[0]
		locals[n].SetLen(len(pieces[i].buf))
		remotes[n] = unix.RemoteIovec{Base: uintptr(pieces[i].addr), Len: len(pieces[i].buf)}
		n++
	}
	got, err := unix.ProcessVMReadv(r.pid, locals[:n], remotes[:n], 0)
	if err != nil && !errors.Is(err, unix.EFAULT) {
		return 0, err
	}
	for i := range pieces {
		size := len(pieces[i].buf)
		if got < size {
			return i, nil
		}
		got -= size
		pieces[i].ok = true
	}
	return len(pieces), nil
}

// readPiecesSlowly reads through /proc/PID/mem, with a system call a piece.
func (p *Process) readPiecesSlowly(pieces []piece) error {
	for i := range pieces {
		n, err := p.memory.ReadAt(pieces[i].buf, int64(pieces[i].addr))
		pieces[i].ok = n == len(pieces[i].buf)
		if errors.Is(err, io.EOF) && n == 0 {
			return p.explain("reading the memory", err)
		}
	}
	return nil
}
