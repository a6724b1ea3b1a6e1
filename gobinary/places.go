package gobinary

// Place is one instruction on which a probe can sit.
type Place struct {
	Func   string // the function it is in; empty when the place was not found
	Addr   uint64
	Offset uint64 // from the function's entry
	Instr  string // disassembled, for people
	// Emulated tells that the kernel emulates the instruction when a uprobe
	// sits on it, instead of stepping over a copy of it: one trap a hit, not two.
	Emulated bool
}

// Found tells whether the place exists in this executable.
func (p Place) Found() bool { return p.Func != "" }

// NetpollCall is one place from which the runtime polls the network.
type NetpollCall struct {
	Return uint64 // the return address of the call
	// Poller is the runtime's function that polls: findRunnable,
	// "findRunnable blocking" for its second call, which may sleep in the
	// kernel, pollWork, sysmon or startTheWorld.
	Poller string
}

// Places holds where the moments of a wait can be probed. In the comments:
// what the registers hold there, amd64 | arm64.
type Places struct {
	// IOPark is the call of gopark in netpollblock: the goroutine is about to
	// park in the netpoller. R14|R28 = g, BX|R1 = &pollDesc.rg or &pollDesc.wg.
	IOPark Place
	// IOResume is the jump after netpollblock took the outcome out of rg or wg:
	// the goroutine runs again, or did not park. R14|R28 = g.
	IOResume Place
	// IOResumeOld is the register that holds the outcome at IOResume: 1 ready,
	// 0 not ready (a deadline or a close).
	IOResumeOld Register
	// NetpollGoready is where deadlines and closes make a goroutine runnable:
	// AX|R0 = g, BX|R1 = traceskip.
	NetpollGoready Place
	// Park is in the prologue of gopark. AX|R0 = unlockf, BX|R1 = lock,
	// CX|R2 = reason, R14|R28 = g.
	Park Place
	// Ready is in the prologue of ready. AX|R0 = g that becomes runnable,
	// BX|R1 = traceskip; R14|R28 = g0.
	Ready Place
	// Execute is in the prologue of execute. AX|R0 = g that will run.
	Execute Place
	// Netpoll is in the prologue of netpoll. AX|R0 = delay in nanoseconds,
	// negative to block.
	Netpoll Place
	// NetpollReady is in the prologue of netpollready. BX|R1 = pollDesc,
	// CX|R2 = mode: 'r', 'w' or their sum.
	NetpollReady Place

	// ReturnRegister holds the return address at the places in a prologue;
	// NoRegister where it is the word that the stack pointer points at.
	ReturnRegister Register

	// NetpollCalls are the calls of netpoll, to tell who polls by the return address.
	NetpollCalls []NetpollCall
	// NetpollReadyCalls are the calls of netpollready outside netpoll: there are
	// some where PGO inlined netpoll into its callers.
	NetpollReadyCalls []NetpollCall

	// Naive holds the places that other tools probe, to compare prices with.
	Naive NaivePlaces

	// Missing says what was not found and why.
	Missing []string
}

// NaivePlaces are the obvious places of an I/O wait, on instructions that the
// kernel steps over a copy of.
type NaivePlaces struct {
	BlockEntry Place // the first instruction of netpollblock
	AfterPark  Place // the instruction after its call of gopark
}
