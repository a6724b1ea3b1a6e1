package gobinary

import "math"

// NoField is the offset of a field that this version of Go does not have.
const NoField uint32 = math.MaxUint32

// Layout holds the byte offsets of the fields of the runtime's structures that
// are read from outside. A field that this version lacks is [NoField].
type Layout struct {
	Source   string // where the offsets are from: "DWARF", or "table go1.26.0 to go1.26.11"
	G        LayoutG
	M        LayoutM
	P        LayoutP
	PollDesc LayoutPollDesc
}

// LayoutG is of runtime.g, a goroutine.
type LayoutG struct {
	StackLo, StackHi                uint32
	M                               uint32
	SchedSP, SchedPC, SchedBP       uint32
	SyscallSP, SyscallPC, SyscallBP uint32
	AtomicStatus                    uint32 // 4 bytes wide
	Goid                            uint32
	WaitReason                      uint32 // 1 byte wide
	ParentGoid                      uint32
	GoPC, StartPC                   uint32
	Size                            uint32
}

// LayoutM is of runtime.m, a thread.
type LayoutM struct {
	G0, ProcID, CurG, P, ID, AllLink uint32
}

// LayoutP is of runtime.p, a processor.
type LayoutP struct {
	ID, Status, M uint32 // ID and Status are 4 bytes wide
}

// LayoutPollDesc is of runtime.pollDesc, what the netpoller knows of a descriptor.
type LayoutPollDesc struct {
	Link, FD, FDSeq, AtomicInfo, RG, WG, Self, Size uint32
}
