package probes

import (
	"errors"
	"os"
	"reflect"
	"runtime"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"

	"github.com/netpolltrace/netpolltrace/gobinary"
)

// probed is a function of our own to put a uprobe on. It has a frame, and so a
// prologue like the functions that are probed in a target.
//
//go:noinline
func probed(n int) int { return framed(n) + 1 }

//go:noinline
func framed(n int) int { return n + 1 }

// probedPlace is where probed can be probed cheaply: an offset in the file of
// our own executable.
func probedPlace() (uint64, error) {
	self, err := gobinary.Open("/proc/self/exe")
	if err != nil {
		return 0, err
	}
	defer self.Close()
	place, err := self.Prologue(runtime.FuncForPC(reflect.ValueOf(probed).Pointer()).Name())
	if err != nil {
		return 0, err
	}
	return self.FileOffset(place.Addr)
}

// probeUprobe attaches a counting program to a function of our own and calls
// it from a thread that is not the process's first: uprobe_multi with a PID
// matched the first thread alone before Linux 6.10.
func probeUprobe(attach uprobeAttach, attachType ebpf.AttachType) error {
	offset, err := probedPlace()
	if err != nil {
		return err
	}
	exe, err := link.OpenExecutable("/proc/self/exe")
	if err != nil {
		return err
	}
	hits, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1})
	if err != nil {
		return err
	}
	defer hits.Close()
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "npt_probe", Type: ebpf.Kprobe, AttachType: attachType, License: "Dual BSD/GPL",
		Instructions: countInto(hits),
	})
	if err != nil {
		return firstCause(err)
	}
	defer program.Close()
	attached, err := attach(exe, program, uprobeAt{offset: offset, pid: os.Getpid()})
	if err != nil {
		return firstCause(err)
	}
	defer attached.Close()
	callFromOtherThread()
	var n uint64
	if err := hits.Lookup(uint32(0), &n); err != nil {
		return err
	}
	if n == 0 {
		return errors.New("it attaches but does not fire on every thread")
	}
	return nil
}

// countInto is a program that adds one to the only element of an array.
func countInto(m *ebpf.Map) asm.Instructions {
	return asm.Instructions{
		asm.StoreImm(asm.RFP, -4, 0, asm.Word),
		asm.Mov.Reg(asm.R2, asm.RFP),
		asm.Add.Imm(asm.R2, -4),
		asm.LoadMapPtr(asm.R1, m.FD()),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "out"),
		asm.Mov.Imm(asm.R1, 1),
		asm.AddAtomic.Mem(asm.R0, asm.R1, asm.DWord, 0),
		asm.Mov.Imm(asm.R0, 0).WithSymbol("out"),
		asm.Return(),
	}
}

func callFromOtherThread() {
	done := make(chan struct{})
	go func() {
		defer close(done)
		// The goroutine ends with its thread locked, so the thread ends too.
		runtime.LockOSThread()
		//lint:ignore SA4017 what matters is that it is called
		probed(1)
	}()
	// While this goroutine waits the other may run on the first thread, unless
	// that is taken.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	<-done
}
