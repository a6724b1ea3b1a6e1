package gobinary

import "strconv"

// Register is a general-purpose register of a CPU.
type Register uint8

// The registers, amd64 first. NoRegister is the zero value.
const (
	NoRegister Register = iota
	RAX
	RCX
	RDX
	RBX
	RSP
	RBP
	RSI
	RDI
	R8
	R9
	R10
	R11
	R12
	R13
	R14
	R15
	// X0 is the first of arm64's 31 registers, X0 to X30, which follow each other.
	X0
	// X28 holds g in Go code.
	X28 = X0 + 28
	// X30 is the link register.
	X30 = X0 + 30
)

var amd64Registers = [...]string{
	"", "RAX", "RCX", "RDX", "RBX", "RSP", "RBP", "RSI", "RDI",
	"R8", "R9", "R10", "R11", "R12", "R13", "R14", "R15",
}

// String is the register's name as the CPU's maker writes it.
func (r Register) String() string {
	switch {
	case int(r) < len(amd64Registers):
		return amd64Registers[r]
	case r <= X30:
		return "X" + strconv.Itoa(int(r-X0))
	}
	return ""
}
