package probes

import (
	"fmt"
	"io"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"

	"github.com/netpolltrace/netpolltrace/bpf"
	"github.com/netpolltrace/netpolltrace/gobinary"
)

// AttachEmpty attaches programs that do nothing to every place that a plan
// probes and hooks, to measure what being probed costs by itself. With naive,
// the waits in the netpoller are probed at the obvious places instead: the
// entry of netpollblock, and behind its call of gopark.
func AttachEmpty(target *Target, plan *Plan, naive bool) (io.Closer, error) {
	var attached links
	attach := func(spec *ebpf.ProgramSpec, attach attachFunc) error {
		program, err := emptyProgram(spec)
		if err != nil {
			return err
		}
		defer program.Close() // the link keeps it
		l, err := attach(program)
		if err != nil {
			return firstCause(err)
		}
		attached = append(attached, l)
		return nil
	}
	err := attachEmptyHooks(plan, attach)
	if err == nil {
		err = attachEmptyUprobes(target, plan, emptyPlaces(target, plan, naive), attach)
	}
	if err != nil {
		attached.Close()
		return nil, fmt.Errorf("attaching empty probes: %w", err)
	}
	return attached, nil
}

func emptyPlaces(target *Target, plan *Plan, naive bool) []gobinary.Place {
	if naive {
		return []gobinary.Place{target.Places.Naive.BlockEntry, target.Places.Naive.AfterPark}
	}
	var places []gobinary.Place
	for _, p := range PlacesOf(plan.Mode, target.Places) {
		if p.Place.Found() {
			places = append(places, p.Place)
		}
	}
	return places
}

type attachSpec func(*ebpf.ProgramSpec, attachFunc) error

func attachEmptyUprobes(target *Target, plan *Plan, places []gobinary.Place, attach attachSpec) error {
	exe, err := link.OpenExecutable(target.Process.ExePath())
	if err != nil {
		return err
	}
	for _, place := range places {
		offset, err := target.Binary.FileOffset(place.Addr)
		if err != nil {
			return err
		}
		spec := &ebpf.ProgramSpec{Type: ebpf.Kprobe}
		if plan.multi {
			spec.AttachType = ebpf.AttachTraceUprobeMulti
		}
		if err := attach(spec, func(p *ebpf.Program) (link.Link, error) {
			return plan.attachUprobe(exe, p, uprobeAt{offset: offset, pid: target.Process.PID})
		}); err != nil {
			return err
		}
	}
	return nil
}

func attachEmptyHooks(plan *Plan, attach attachSpec) error {
	real, err := bpf.LoadWaits()
	if err != nil {
		return err
	}
	for _, h := range plan.hooks {
		for _, p := range h.programs {
			as := real.Programs[p.name]
			spec := &ebpf.ProgramSpec{Type: as.Type, AttachType: as.AttachType, AttachTo: as.AttachTo}
			if err := attach(spec, p.attach); err != nil {
				return err
			}
		}
	}
	return nil
}

// emptyProgram loads a program that does nothing.
func emptyProgram(spec *ebpf.ProgramSpec) (*ebpf.Program, error) {
	spec.Name = "npt_empty"
	spec.License = "Dual BSD/GPL"
	spec.Instructions = asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()}
	program, err := ebpf.NewProgram(spec)
	if err != nil {
		return nil, firstCause(err)
	}
	return program, nil
}
