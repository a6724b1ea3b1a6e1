package gobinary

import (
	"debug/elf"
	"debug/macho"
	"io"

	"golang.org/x/arch/arm64/arm64asm"
)

// newARM64 is what depends on the CPU in executables for arm64.
func newARM64() *arch {
	return &arch{
		name:          "arm64",
		elf:           elf.EM_AARCH64,
		macho:         macho.CpuArm64,
		relative:      uint32(elf.R_AARCH64_RELATIVE),
		g:             X28,
		returnAddress: X30,
		decode:        decodeARM64,
		syntax:        syntaxARM64,
	}
}

// sizeARM64 is the size of every instruction.
const sizeARM64 = 4

func decodeARM64(code []byte, addr uint64, regs registers) (instruction, error) {
	if len(code) < sizeARM64 {
		return instruction{}, io.ErrUnexpectedEOF
	}
	ins := instruction{addr: addr, size: sizeARM64}
	inst, err := arm64asm.Decode(code)
	if err != nil { // padding, or an instruction that the disassembler does not know
		clear(regs)
		return ins, nil
	}
	ins.op = opARM64(inst)
	ins.emulated = emulatedARM64(inst)
	for i, arg := range inst.Args {
		switch arg := arg.(type) {
		case arm64asm.PCRel:
			ins.target = addr + uint64(int64(arg))
		case arm64asm.MemImmediate:
			ins.stackCheck = inst.Op == arm64asm.LDR && i == 1 && arg.Base == arm64asm.RegSP(arm64asm.X28) &&
				offsetARM64(inst) == stackBoundARM64
			ins.useMemoryARM64(inst, arg, regs)
		}
	}
	if ins.op == opCompare {
		ins.reg = registerARM64(inst.Args[0])
		ins.value = int64(inst.Enc >> 10 & 0xfff)
	}
	ins.harmless = harmlessARM64(inst)
	trackARM64(inst, &ins, regs)
	return ins, nil
}

// stackBoundARM64 is the offset of g.stackguard0, as on amd64.
const stackBoundARM64 = 16

// useMemoryARM64 notes what a memory operand refers to.
func (ins *instruction) useMemoryARM64(inst arm64asm.Inst, mem arm64asm.MemImmediate, regs registers) {
	base, known := regs[registerARM64(mem.Base)]
	if !known || mem.Mode != arm64asm.AddrOffset {
		return
	}
	ins.ref = ref{addr: base + offsetARM64(inst), kind: refRead, width: 8}
	switch inst.Op {
	case arm64asm.STR, arm64asm.STP, arm64asm.STRB, arm64asm.STRH:
		ins.ref.kind = refWrite
	case arm64asm.STLR:
		ins.ref.kind = refAtomic
	}
	switch inst.Op {
	case arm64asm.LDP, arm64asm.STP:
		ins.ref.width = 16
	case arm64asm.LDRB, arm64asm.STRB:
		ins.ref.width = 1
	case arm64asm.LDRSW:
		ins.ref.width = 4
	default:
		if inst.Enc>>30 == 2 {
			ins.ref.width = 4
		}
	}
}

// offsetARM64 is the byte offset of a load or store. The disassembler keeps it
// to itself. See the Arm manual (DDI 0487), C4.1: loads and stores with an
// unsigned offset have it in units of their size; pairs in units of 8.
func offsetARM64(inst arm64asm.Inst) uint64 {
	const unsignedOffset, classMask = 0x39000000, 0x3f000000
	switch {
	case inst.Enc&classMask == unsignedOffset:
		return uint64(inst.Enc>>10&0xfff) << (inst.Enc >> 30)
	case inst.Op == arm64asm.LDP || inst.Op == arm64asm.STP:
		return uint64(int64(int32(inst.Enc<<10)>>25)) * 8
	}
	return 0
}

// trackARM64 notes what the instruction leaves in the registers: ADRP and ADD
// make the address of a variable.
func trackARM64(inst arm64asm.Inst, ins *instruction, regs registers) {
	reg := registerARM64(inst.Args[0])
	switch inst.Op {
	case arm64asm.BL, arm64asm.BLR:
		clear(regs)
	case arm64asm.ADRP:
		regs[reg] = ins.addr&^0xfff + uint64(int64(inst.Args[1].(arm64asm.PCRel)))
	case arm64asm.ADD:
		base, known := regs[registerARM64(inst.Args[1])]
		if _, immediate := inst.Args[2].(arm64asm.ImmShift); !known || !immediate {
			delete(regs, reg)
			return
		}
		addr := base + uint64(inst.Enc>>10&0xfff)<<(12*(inst.Enc>>22&1))
		ins.ref = ref{addr: addr, kind: refAddress}
		regs[reg] = addr
	case arm64asm.STR, arm64asm.STP, arm64asm.STRB, arm64asm.STRH, arm64asm.STLR,
		arm64asm.CMP, arm64asm.CMN, arm64asm.TST, arm64asm.CBZ, arm64asm.CBNZ, arm64asm.TBZ, arm64asm.TBNZ:
	default:
		delete(regs, reg)
		if inst.Op == arm64asm.LDP {
			delete(regs, registerARM64(inst.Args[1]))
		}
	}
}

// opARM64 classifies an instruction.
func opARM64(inst arm64asm.Inst) op {
	switch inst.Op {
	case arm64asm.BL:
		return opCall
	case arm64asm.B:
		if _, conditional := inst.Args[0].(arm64asm.Cond); conditional {
			return opBranch
		}
		return opJump
	case arm64asm.CBZ, arm64asm.CBNZ, arm64asm.TBZ, arm64asm.TBNZ:
		return opBranch
	case arm64asm.CMP:
		if _, immediate := inst.Args[1].(arm64asm.ImmShift); immediate {
			return opCompare
		}
	}
	return opOther
}

// emulatedARM64 tells whether the kernel simulates the instruction.
// See arch/arm64/kernel/probes/decode-insn.c (arm_probe_decode_insn). A NOP is
// simulated from Linux 6.13 on, and not counted here.
func emulatedARM64(inst arm64asm.Inst) bool {
	switch inst.Op {
	case arm64asm.B, arm64asm.BL, arm64asm.BR, arm64asm.BLR, arm64asm.RET,
		arm64asm.CBZ, arm64asm.CBNZ, arm64asm.TBZ, arm64asm.TBNZ,
		arm64asm.ADR, arm64asm.ADRP:
		return true
	}
	return false
}

// harmlessARM64 tells whether an instruction leaves arguments, stack pointer and
// return address alone. X16, X17 and X27 are scratch registers at a function's entry.
func harmlessARM64(inst arm64asm.Inst) bool {
	switch inst.Op {
	case arm64asm.CMP, arm64asm.CMN, arm64asm.TST, arm64asm.NOP:
		return true
	case arm64asm.LDR, arm64asm.MOV, arm64asm.SUB:
		reg := registerARM64(inst.Args[0])
		return reg == X0+16 || reg == X0+17 || reg == X0+27
	}
	return false
}

// registerARM64 is the 64-bit register that an operand is, or is the low half of.
// The stack pointer and the zero register are none.
func registerARM64(arg arm64asm.Arg) Register {
	var reg arm64asm.Reg
	switch arg := arg.(type) {
	case arm64asm.Reg:
		reg = arg
	case arm64asm.RegSP:
		reg = arm64asm.Reg(arg)
	default:
		return NoRegister
	}
	switch {
	case reg >= arm64asm.X0 && reg <= arm64asm.X30:
		return X0 + Register(reg-arm64asm.X0)
	case reg <= arm64asm.W30:
		return X0 + Register(reg-arm64asm.W0)
	}
	return NoRegister
}

func syntaxARM64(code []byte, addr uint64) string {
	inst, err := arm64asm.Decode(code)
	if err != nil {
		return "?"
	}
	return arm64asm.GoSyntax(inst, addr, nil, io.NewSectionReader(nil, 0, 0))
}
