package gobinary

import (
	"fmt"
	"strings"
)

// Place is one instruction on which a probe can sit.
type Place struct {
	Func   string // the function it is in; empty when the place was not found
	Addr   uint64
	Offset uint64 // from the function's entry
	Instr  string // disassembled, for people
	// Emulated tells that the kernel emulates the instruction when a uprobe
	// sits on it, instead of stepping over a copy of it: one trap a hit, not two.
	Emulated bool
	// Repeats tells that a call passes the place again after its stack was grown.
	Repeats bool
	// Inlined tells that the function was inlined into others too, as
	// profile-guided optimisation does: those calls do not pass the place.
	Inlined bool
}

// Found tells whether the place exists in this executable.
func (p Place) Found() bool { return p.Func != "" }

// Places holds where the moments of a wait can be probed. In the comments:
// what the registers hold there, amd64 | arm64.
type Places struct {
	// IOPark is the call of gopark in netpollblock: the goroutine is about to
	// park in the netpoller. R14|R28 = g, BX|R1 = &pollDesc.rg or &pollDesc.wg.
	// Not found where gopark was inlined there: ParkM sees those parks.
	IOPark Place
	// IOResume is the jump after netpollblock took the outcome out of rg or wg:
	// the goroutine runs again, or did not park. R14|R28 = g.
	IOResume Place
	// IOResumeOld is the register that holds the outcome at IOResume: 1 ready,
	// 0 not ready (a deadline or a close).
	IOResumeOld Register
	// NetpollGoready is in the prologue of netpollgoready, or of goready where
	// that was inlined (up to Go 1.20): deadlines and closes make a goroutine
	// runnable there, goready's other callers too. AX|R0 = g, BX|R1 = traceskip.
	NetpollGoready Place
	// Park is in the prologue of gopark. AX|R0 = unlockf, BX|R1 = lock,
	// CX|R2 = reason, R14|R28 = g.
	Park Place
	// ParkM is in the prologue of park_m, to which gopark switches: there once
	// for each park, also where gopark was inlined, since mcall calls it by its
	// address and on a stack that does not grow. AX|R0 = g, R14|R28 = g0; g.sched
	// is where g stopped, m.waitlock gopark's lock.
	ParkM Place
	// Ready is in the prologue of ready. AX|R0 = g that becomes runnable,
	// BX|R1 = traceskip; R14|R28 = g0.
	Ready Place
	// Execute is in the prologue of execute. AX|R0 = g that will run.
	Execute Place
	// Netpoll is in the prologue of netpoll. AX|R0 = delay in nanoseconds,
	// negative to block. Only Linux's is looked for.
	Netpoll Place

	// ReturnRegister holds the return address at the places in a prologue;
	// NoRegister where it is the word that the stack pointer points at.
	ReturnRegister Register

	// NetpollCalls are the calls of netpoll, to tell who polls by the return address.
	NetpollCalls []NetpollCall
	// InlinedPolls are the calls of epoll_wait in callers of netpoll that PGO
	// inlined netpoll into. Those polls do not pass Netpoll.
	InlinedPolls []InlinedPoll

	// Naive holds the places that other tools probe, to compare prices with.
	Naive NaivePlaces

	// Missing says what was not found, or does not see every call, and why.
	Missing []string
}

// NaivePlaces are the obvious places of an I/O wait, on instructions that the
// kernel steps over a copy of.
type NaivePlaces struct {
	BlockEntry Place // the first instruction of netpollblock
	AfterPark  Place // the instruction after its call of gopark
}

// Places finds where the moments of a wait can be probed. Every place is an
// instruction: functions are decoded from their entry. What cannot be found is
// listed in Missing and is no error.
func (b *Binary) Places() (*Places, error) { return b.places() }

func (b *Binary) findPlaces() (*Places, error) {
	p := &Places{ReturnRegister: b.arch.returnAddress}
	missing := func(err error) {
		if err != nil {
			p.Missing = append(p.Missing, err.Error())
		}
	}
	missing(b.findBlock(p))
	goready := fnNetpollGoready
	if !b.has(goready) {
		goready = fnGoready
	}
	for _, prologue := range [...]struct {
		place    *Place
		function string
	}{
		{&p.NetpollGoready, goready},
		{&p.Park, fnGopark},
		{&p.ParkM, fnParkM},
		{&p.Ready, fnReady},
		{&p.Execute, fnExecute},
		{&p.Netpoll, fnNetpoll},
	} {
		if prologue.function == fnNetpoll && b.OS != "linux" {
			continue
		}
		place, err := b.prologuePlace(prologue.function)
		missing(err)
		*prologue.place = place
	}
	missing(b.findNetpollers(p))
	b.markInlined(p)
	if len(p.Missing) > 0 && !p.IOPark.Found() && !p.Park.Found() {
		return nil, fmt.Errorf("finding probe places of %s: %s", b.GoVersion, strings.Join(p.Missing, "; "))
	}
	return p, nil
}

// markInlined marks the places that not all calls pass. Those are missing of
// which no other place sees the rest.
func (b *Binary) markInlined(p *Places) {
	inlined := b.inlinedInto(fnGopark, fnNetpoll, fnNetpollGoready, fnReady, fnExecute)
	for _, c := range [...]struct {
		place    *Place
		function string
		seen     bool // elsewhere
	}{
		{&p.Park, fnGopark, p.ParkM.Found()},
		{&p.Netpoll, fnNetpoll, len(p.InlinedPolls) > 0},
		{&p.NetpollGoready, fnNetpollGoready, false},
		{&p.Ready, fnReady, false},
		{&p.Execute, fnExecute, false},
	} {
		into := inlined[c.function]
		c.place.Inlined = len(into) > 0
		if c.place.Inlined && !c.seen {
			p.Missing = append(p.Missing, fmt.Sprintf("%s is inlined into %s: its probe does not see those calls",
				c.function, strings.Join(into, ", ")))
		}
	}
}

// has tells whether a known function is in the executable.
func (b *Binary) has(function string) bool {
	_, ok := b.known()[function]
	return ok
}

// code looks up a known function and disassembles it.
func (b *Binary) code(function string) (Func, []instruction, error) {
	f, ok := b.known()[function]
	if !ok {
		return Func{}, nil, fmt.Errorf("%s is not in the executable", function)
	}
	list, err := b.disassemble(f)
	return f, list, err
}

// place describes an instruction of a function.
func (b *Binary) place(f Func, ins instruction) Place {
	p := Place{Func: f.Name, Addr: ins.addr, Offset: ins.addr - f.Entry, Emulated: ins.emulated}
	if code, err := b.image.bytes(ins.addr, ins.size); err == nil {
		p.Instr = b.arch.syntax(code, ins.addr)
	}
	return p
}

// findBlock finds the places of a wait in the netpoller:
//
//	gopark(netpollblockcommit, unsafe.Pointer(gpp), waitReasonIOWait, traceBlockNet, 5)
//	old := gpp.Swap(pdNil)
//	if old > pdWait { throw("runtime: corrupted polldesc") }
//
// IOPark is the call, IOResume the jump of the last line: the first one after
// the call that compares with pdWait, 2. The sequence is in netpollblock, or in
// pollWait where that was inlined into it.
// See https://github.com/golang/go/blob/go1.26.0/src/runtime/netpoll.go (netpollblock).
func (b *Binary) findBlock(p *Places) error {
	const pdWait = 2
	gopark, ok := b.known()[fnGopark]
	if !ok {
		return fmt.Errorf("%s is not in the executable", fnGopark)
	}
	f, list, call, err := b.findCallOf(gopark, fnPollWait, fnNetpollBlock)
	if err == nil {
		p.IOPark = b.place(f, list[call])
	} else if f, list, call, err = b.findInlinedPark(err); err != nil {
		return err
	}
	p.Naive.BlockEntry = b.place(f, list[0])
	for i := call + 1; i+1 < len(list); i++ {
		if i == call+1 {
			p.Naive.AfterPark = b.place(f, list[i])
		}
		if ins := list[i]; ins.op == opCompare && ins.value == pdWait && list[i+1].op == opBranch {
			p.IOResume, p.IOResumeOld = b.place(f, list[i+1]), ins.reg
			return nil
		}
	}
	return fmt.Errorf("%s has no comparison with pdWait after its call of gopark", f.Name)
}

// findInlinedPark finds where a wait in the netpoller stops if gopark was
// inlined there: its call of mcall. notCalled is why gopark's was not found.
func (b *Binary) findInlinedPark(notCalled error) (Func, []instruction, int, error) {
	mcall, ok := b.known()[fnMcall]
	if !ok {
		return Func{}, nil, 0, notCalled
	}
	f, list, call, err := b.findCallOf(mcall, fnPollWait, fnNetpollBlock)
	if err != nil {
		return Func{}, nil, 0, fmt.Errorf("%w; %w", notCalled, err)
	}
	return f, list, call, nil
}

// findCallOf finds the first of some functions that calls another one, and the
// index of the call.
func (b *Binary) findCallOf(callee Func, callers ...string) (Func, []instruction, int, error) {
	var reasons []string
	for _, name := range callers {
		f, list, err := b.code(name)
		if err != nil {
			reasons = append(reasons, err.Error())
			continue
		}
		for i, ins := range list {
			if ins.op == opCall && ins.target == callee.Entry {
				return f, list, i, nil
			}
		}
		reasons = append(reasons, name+" does not call "+callee.Name)
	}
	return Func{}, nil, 0, fmt.Errorf("%s", strings.Join(reasons, "; "))
}

// Prologue is a place in the prologue of any function that has one: arguments
// and return address are where they were at its entry.
func (b *Binary) Prologue(function string) (Place, error) {
	f, ok := b.Func(function)
	if !ok {
		return Place{}, fmt.Errorf("%s is not in the executable", function)
	}
	list, err := b.disassemble(f)
	if err != nil {
		return Place{}, err
	}
	return b.prologueIn(f, list)
}

// prologuePlace finds a place at which a function's arguments are still in
// their registers, on an instruction that the kernel emulates: the push of the
// frame pointer, or the jump to morestack before it where the function does not
// push (up to Go 1.20, and on arm64).
func (b *Binary) prologuePlace(function string) (Place, error) {
	f, list, err := b.code(function)
	if err != nil {
		return Place{}, err
	}
	return b.prologueIn(f, list)
}

// prologueIn finds that place in a disassembled function.
func (b *Binary) prologueIn(f Func, list []instruction) (Place, error) {
	checked := false
	for i, ins := range list {
		checked = checked || ins.stackCheck
		if ins.emulated {
			if checked && ins.op == opBranch && i+1 < len(list) && list[i+1].op == opPush {
				return b.place(f, list[i+1]), nil
			}
			p := b.place(f, ins)
			p.Repeats = checked && ins.op == opBranch
			return p, nil
		}
		if !ins.harmless {
			break
		}
	}
	return Place{}, fmt.Errorf("the prologue of %s has no instruction that the kernel emulates", f.Name)
}
