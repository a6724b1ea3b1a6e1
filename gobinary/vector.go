package gobinary

// vectorSize is the length of a VEX- or EVEX-encoded instruction at the start of
// code, or 0 where there is none. The disassembler does not know them, or takes
// them for others; with GOAMD64=v3 the runtime has some (SHLX, ANDN, RORX), and
// skipping them by their right length keeps the instructions after them readable.
// See Intel's manual, volume 2, sections 2.3 and 2.7.
func vectorSize(code []byte) uint64 {
	if len(code) < 4 {
		return 0
	}
	prefix, opcodes := 0, byte(1) // length of the prefix, map of opcodes
	switch code[0] {
	case 0xc5:
		prefix = 2
	case 0xc4:
		prefix, opcodes = 3, code[1]&0x1f
	case 0x62:
		prefix, opcodes = 4, code[1]&0x07
	default:
		return 0
	}
	if len(code) < prefix+2 {
		return 0
	}
	opcode, modrm := code[prefix], code[prefix+1]
	if opcodes == 1 && opcode == 0x77 { // VZEROUPPER, VZEROALL
		return uint64(prefix + 1)
	}
	size := prefix + 2
	mod, rm := modrm>>6, modrm&7
	if mod != 3 && rm == 4 { // a SIB byte follows
		if len(code) <= size {
			return 0
		}
		if mod == 0 && code[size]&7 == 5 {
			size += 4
		}
		size++
	}
	switch {
	case mod == 0 && rm == 5, mod == 2:
		size += 4
	case mod == 1:
		size++
	}
	if opcodes == 3 || opcodes == 1 && hasImmediate(opcode) {
		size++
	}
	if size > len(code) {
		return 0
	}
	return uint64(size)
}

// hasImmediate tells whether an opcode of the 0F map takes a byte: shuffles,
// shifts by a constant, compares, inserts and extracts.
func hasImmediate(opcode byte) bool {
	switch opcode {
	case 0x70, 0x71, 0x72, 0x73, 0xc2, 0xc4, 0xc5, 0xc6:
		return true
	}
	return false
}
