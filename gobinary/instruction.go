package gobinary

import (
	"debug/elf"
	"debug/macho"
	"fmt"
)

// arch is all that depends on the CPU of the executable, which need not be
// that of the machine this runs on.
type arch struct {
	name     string
	elf      elf.Machine
	macho    macho.Cpu
	relative uint32 // type of ELF's relocation that adds the load bias

	g             Register // holds g in Go code
	returnAddress Register // holds the return address at a function's entry; NoRegister: on the stack
	signExtend    bool     // user addresses are sign-extended when taken out of a tagged pointer
	threadPointer bool     // g is also kept in memory, relative to the thread pointer

	// decode decodes the instruction at the start of code. It may know from the
	// instructions before it what is in the registers, and notes what this one
	// leaves there.
	decode func(code []byte, addr uint64, regs registers) (instruction, error)
	// syntax disassembles an instruction for people.
	syntax func(code []byte, addr uint64) string
}

// archOf finds what is known of a CPU; nil if nothing is.
func archOf(is func(*arch) bool) *arch {
	for _, a := range [...]*arch{newAMD64(), newARM64()} {
		if is(a) {
			return a
		}
	}
	return nil
}

// instruction is what the searches here need of an instruction, on any CPU.
type instruction struct {
	addr     uint64
	size     uint64
	op       op
	emulated bool // by the kernel, under a uprobe
	// harmless tells that arguments, stack pointer and return address are after
	// it where they were before.
	harmless   bool
	stackCheck bool   // reads g's stack bound: the start of a prologue
	target     uint64 // of a call or jump
	ref        ref    // the variable it uses
	// reg and value are what opCompare compares.
	reg   Register
	value int64
	// tls tells that it accesses memory at threadOffset from the thread pointer.
	tls          bool
	threadOffset int64
}

// op is what kind of instruction one is.
type op uint8

const (
	opOther   op = iota
	opCall       // of a fixed address
	opJump       // to a fixed address
	opBranch     // a conditional jump
	opPush       // of a register
	opCompare    // of a register with a number
)

// ref is the use of a variable at a fixed address.
type ref struct {
	addr  uint64
	kind  refKind
	width uint8 // in bytes; of an address 0
}

// refKind is what is done with a variable.
type refKind uint8

const (
	refNone    refKind = iota
	refRead            // also by a compare
	refWrite           // plainly
	refAtomic          // written or exchanged atomically
	refAddress         // its address is taken
)

// registers is what is known of the contents of registers: addresses and
// constants. A register that is missing may hold anything.
type registers map[Register]uint64

// disassemble decodes a function from its entry, so that every address in the
// answer is that of an instruction.
func (b *Binary) disassemble(f Func) ([]instruction, error) {
	const maxSize = 1 << 20 // the largest function of the runtime has some 10 KB
	if f.End-f.Entry > maxSize {
		return nil, fmt.Errorf("disassembling %s: it has %d bytes, which no function of the runtime has", f.Name, f.End-f.Entry)
	}
	code, err := b.image.bytes(f.Entry, f.End-f.Entry)
	if err != nil {
		return nil, fmt.Errorf("disassembling %s: %w", f.Name, err)
	}
	regs := make(registers)
	list := make([]instruction, 0, len(code)/4)
	for at := uint64(0); at < uint64(len(code)); {
		ins, err := b.arch.decode(code[at:], f.Entry+at, regs)
		if err != nil {
			return nil, fmt.Errorf("disassembling %s at +%#x: %w", f.Name, at, err)
		}
		list = append(list, ins)
		at += ins.size
	}
	return list, nil
}
