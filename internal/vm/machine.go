package vm

import (
	"fmt"
	"slices"
	"strings"
)

// Machine is a kernel on a CPU.
type Machine struct {
	Kernel string // as Debian's suites name their release: 5.10, ...; sid for the newest
	Arch   string // as Go names it
}

// Machines are those of the matrix: the oldest kernel that netpolltrace is for,
// the newest that there is, and the long-term ones between.
var Machines = []Machine{
	{"5.10", "amd64"}, {"6.1", "amd64"}, {"6.12", "amd64"}, {"sid", "amd64"},
	{"5.10", "arm64"}, {"6.1", "arm64"}, {"6.12", "arm64"}, {"sid", "arm64"},
}

// String is how a machine is asked for: 5.10-amd64.
func (m Machine) String() string { return m.Kernel + "-" + m.Arch }

// Parse finds the machines that a list such as "5.10-amd64 sid-arm64" names;
// "all" names all of them.
func Parse(list string) ([]Machine, error) {
	if list == "all" {
		return Machines, nil
	}
	var found []Machine
	for name := range strings.FieldsSeq(list) {
		at := slices.IndexFunc(Machines, func(m Machine) bool { return m.String() == name })
		if at < 0 {
			return nil, fmt.Errorf("there is no machine %q in the kernel matrix: choose of %v, or all", name, Machines)
		}
		found = append(found, Machines[at])
	}
	return found, nil
}

// processors is how many the machine has. Linux 5.10 and 6.1 on amd64 do not bring
// up a second one where the clock counts instructions.
func (m Machine) processors() string {
	if m.Arch == "amd64" && (m.Kernel == "5.10" || m.Kernel == "6.1") {
		return "1"
	}
	return "2"
}

// hardware is how QEMU emulates a CPU.
type hardware struct {
	qemu    string // program
	options []string
	console string
}

var hardwareOf = map[string]hardware{
	// Not microvm: under emulation one boot in five hangs.
	"amd64": {"qemu-system-x86_64", []string{"-M", "pc", "-cpu", "max"}, "ttyS0"},
	// Pointer authentication as the architecture has it makes emulation three
	// times slower.
	"arm64": {"qemu-system-aarch64", []string{"-M", "virt", "-cpu", "max,pauth-impdef=on"}, "ttyAMA0"},
}
