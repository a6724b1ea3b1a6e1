package gobinary

import (
	"debug/elf"
	"debug/macho"

	"golang.org/x/arch/x86/x86asm"
)

// newAMD64 is what depends on the CPU in executables for amd64.
// The registers are those of Go's calling convention since 1.17 (ABIInternal,
// cmd/compile/abi-internal.md).
func newAMD64() *arch {
	return &arch{
		name:          "amd64",
		elf:           elf.EM_X86_64,
		macho:         macho.CpuAmd64,
		relative:      uint32(elf.R_X86_64_RELATIVE),
		g:             R14,
		returnAddress: NoRegister,
		signExtend:    true,
		threadPointer: true,
		decode:        decodeAMD64,
		syntax:        syntaxAMD64,
	}
}

// stackBoundAMD64 is the offset of g.stackguard0, with which a function's
// prologue compares the stack pointer; the same in all versions.
const stackBoundAMD64 = 16

func decodeAMD64(code []byte, addr uint64, regs registers) (instruction, error) {
	if size := vectorSize(code); size != 0 {
		clear(regs) // BMI instructions write general registers
		return instruction{addr: addr, size: size}, nil
	}
	inst, err := x86asm.Decode(code, 64)
	if err != nil {
		return instruction{}, err
	}
	ins := instruction{
		addr:     addr,
		size:     uint64(inst.Len),
		emulated: emulatedAMD64(code),
		harmless: harmlessAMD64(inst),
	}
	ins.op = opAMD64(inst)
	if rel, ok := inst.Args[0].(x86asm.Rel); ok {
		ins.target = addr + ins.size + uint64(int64(rel))
	}
	if ins.op == opCompare {
		ins.reg = registerAMD64(inst.Args[0])
		ins.value = int64(inst.Args[1].(x86asm.Imm))
	}
	for i, arg := range inst.Args {
		mem, ok := arg.(x86asm.Mem)
		if !ok {
			continue
		}
		ins.stackCheck = ins.stackCheck || inst.Op == x86asm.CMP && mem.Base == x86asm.R14 && mem.Disp == stackBoundAMD64
		ins.useMemoryAMD64(inst, mem, i, regs)
	}
	trackAMD64(inst, ins, regs)
	return ins, nil
}

// useMemoryAMD64 notes what a memory operand, the i-th of its instruction, refers to.
func (ins *instruction) useMemoryAMD64(inst x86asm.Inst, mem x86asm.Mem, i int, regs registers) {
	base, known := uint64(0), mem.Base == 0
	switch {
	case mem.Base == x86asm.RIP:
		base, known = ins.addr+ins.size, true
	case mem.Base != 0:
		base, known = regs[registerAMD64(mem.Base)]
	}
	if !known || mem.Index != 0 {
		return
	}
	addr := base + uint64(int64(int32(mem.Disp)))
	if mem.Segment == x86asm.FS {
		ins.tls, ins.threadOffset = true, int64(addr)
		return
	}
	ins.ref = ref{addr: addr, width: uint8(inst.MemBytes), kind: refRead}
	switch {
	case inst.Op == x86asm.LEA:
		ins.ref.kind, ins.ref.width = refAddress, 0
	case inst.Op == x86asm.XCHG:
		ins.ref.kind = refAtomic
	case inst.Op == x86asm.MOV && i == 0:
		ins.ref.kind = refWrite
	}
}

// trackAMD64 notes what the instruction leaves in the registers.
func trackAMD64(inst x86asm.Inst, ins instruction, regs registers) {
	if ins.op == opCall {
		clear(regs)
		return
	}
	for _, arg := range inst.Args[:2] { // XCHG and XADD write both
		if reg := registerAMD64(arg); reg != NoRegister && writesAMD64(inst) {
			delete(regs, reg)
		}
	}
	reg := registerAMD64(inst.Args[0])
	if reg == NoRegister {
		return
	}
	imm, isImm := inst.Args[1].(x86asm.Imm)
	switch {
	case inst.Op == x86asm.MOV && isImm:
		regs[reg] = uint64(imm)
	case ins.ref.kind == refAddress:
		regs[reg] = ins.ref.addr
	}
}

// writesAMD64 tells whether an instruction may write its register operands.
func writesAMD64(inst x86asm.Inst) bool {
	switch inst.Op {
	case x86asm.CMP, x86asm.TEST, x86asm.PUSH, x86asm.NOP:
		return false
	case x86asm.MOV:
		_, store := inst.Args[0].(x86asm.Mem)
		return !store
	}
	return true
}

// opAMD64 classifies an instruction.
func opAMD64(inst x86asm.Inst) op {
	_, relative := inst.Args[0].(x86asm.Rel)
	_, immediate := inst.Args[1].(x86asm.Imm)
	switch {
	case inst.Op == x86asm.CALL && relative:
		return opCall
	case inst.Op == x86asm.JMP && relative:
		return opJump
	case relative:
		return opBranch
	case inst.Op == x86asm.PUSH && registerAMD64(inst.Args[0]) != NoRegister:
		return opPush
	case inst.Op == x86asm.CMP && immediate && registerAMD64(inst.Args[0]) != NoRegister:
		return opCompare
	}
	return opOther
}

// emulatedAMD64 tells whether the kernel emulates the instruction instead of
// stepping over a copy of it: jmp and jcc of both sizes, call rel32, push of a
// register, and the one-byte nop. Prefixes other than push's REX.B make it step.
// See arch/x86/kernel/uprobes.c (branch_setup_xol_ops, push_setup_xol_ops).
func emulatedAMD64(code []byte) bool {
	isPush := func(c byte) bool { return c >= 0x50 && c <= 0x57 }
	switch c := code[0]; {
	case isPush(c), c >= 0x70 && c <= 0x7f, c == 0xe8, c == 0xe9, c == 0xeb, c == 0x90:
		return true
	case c == 0x41:
		return len(code) > 1 && isPush(code[1])
	case c == 0x0f:
		return len(code) > 1 && code[1] >= 0x80 && code[1] <= 0x8f
	}
	return false
}

// harmlessAMD64 tells whether an instruction leaves arguments, stack pointer and
// return address alone. R12 and R13 are scratch registers at a function's entry.
func harmlessAMD64(inst x86asm.Inst) bool {
	switch inst.Op {
	case x86asm.CMP, x86asm.TEST, x86asm.NOP:
		return true
	case x86asm.LEA, x86asm.MOV:
		reg := registerAMD64(inst.Args[0])
		return reg == R12 || reg == R13
	}
	return false
}

// registerAMD64 is the 64-bit register that an operand is, or is a part of.
func registerAMD64(arg x86asm.Arg) Register {
	reg, ok := arg.(x86asm.Reg)
	if !ok {
		return NoRegister
	}
	switch {
	case reg >= x86asm.RAX && reg <= x86asm.R15:
		return RAX + Register(reg-x86asm.RAX)
	case reg >= x86asm.EAX && reg <= x86asm.R15L:
		return RAX + Register(reg-x86asm.EAX)
	case reg >= x86asm.AX && reg <= x86asm.R15W:
		return RAX + Register(reg-x86asm.AX)
	case reg >= x86asm.AL && reg <= x86asm.BL:
		return RAX + Register(reg-x86asm.AL)
	case reg >= x86asm.AH && reg <= x86asm.BH:
		return RAX + Register(reg-x86asm.AH)
	case reg >= x86asm.SPB && reg <= x86asm.R15B:
		return RSP + Register(reg-x86asm.SPB)
	}
	return NoRegister
}

func syntaxAMD64(code []byte, addr uint64) string {
	inst, err := x86asm.Decode(code, 64)
	if err != nil {
		return "?"
	}
	return x86asm.GoSyntax(inst, addr, nil)
}
