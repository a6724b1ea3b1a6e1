package probes

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
)

// attachFunc attaches a loaded program.
type attachFunc func(*ebpf.Program) (link.Link, error)

func attachRawTracepoint(name string) attachFunc {
	return func(p *ebpf.Program) (link.Link, error) {
		return link.AttachRawTracepoint(link.RawTracepointOptions{Name: name, Program: p})
	}
}

func attachKprobe(symbol string) attachFunc {
	return func(p *ebpf.Program) (link.Link, error) { return link.Kprobe(symbol, p, nil) }
}

// maxActive is how many threads may be inside a function with a return probe
// at a time; beyond it returns are not seen. The kernel's own choice, two a
// CPU, loses most returns of a function that sleeps.
const maxActive = 512

func attachKretprobe(symbol string) attachFunc {
	return func(p *ebpf.Program) (link.Link, error) {
		return link.Kretprobe(symbol, p, &link.KprobeOptions{RetprobeMaxActive: maxActive})
	}
}

func attachTracing(p *ebpf.Program) (link.Link, error) {
	return link.AttachTracing(link.TracingOptions{Program: p})
}

// uprobeAt is where a uprobe is put: an offset of an executable's file, in one
// process. The cookie is what the program is told there; 0 for nothing.
type uprobeAt struct {
	offset uint64
	pid    int
	cookie uint64
}

// uprobeAttach puts a program on an instruction of an executable.
type uprobeAttach func(*link.Executable, *ebpf.Program, uprobeAt) (link.Link, error)

func attachUprobePerf(exe *link.Executable, p *ebpf.Program, at uprobeAt) (link.Link, error) {
	return exe.Uprobe("", p, &link.UprobeOptions{Address: at.offset, PID: at.pid, Cookie: at.cookie})
}

func attachUprobeMulti(exe *link.Executable, p *ebpf.Program, at uprobeAt) (link.Link, error) {
	return exe.UprobeMulti(nil, p, &link.UprobeMultiOptions{
		Addresses: []uint64{at.offset}, PID: uint32(at.pid), Cookies: []uint64{at.cookie},
	})
}

// links are what is attached, in that order; closing them, the last first,
// leaves nothing behind. They are not pinned: when the tracer dies, the kernel
// closes them.
type links []link.Link

func (l links) Close() error {
	var errs []error
	for _, attached := range slices.Backward(l) {
		if err := attached.Close(); err != nil {
			errs = append(errs, fmt.Errorf("detaching a probe: %w", err))
		}
	}
	return errors.Join(errs...)
}
