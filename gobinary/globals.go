package gobinary

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// Globals are the addresses of the runtime's variables; 0 where one was not
// found. Those of epoll are Linux's alone.
type Globals struct {
	AllGs             uint64 // []*g: all goroutines ever made
	AllGLen           uint64 // uintptr: how many of them may be read without a lock
	AllGPtr           uint64 // **g: the array that AllGLen counts
	AllP              uint64 // []*p
	EpFD              uint64 // int32: the epoll descriptor
	NetpollEventFD    uint64 // Go 1.23 and newer: uintptr, the eventfd that interrupts a poll
	NetpollBreakRd    uint64 // up to Go 1.22: uintptr, the pipe that does
	WaitReasonStrings uint64 // [...]string
}

// TLS says where a thread keeps its current g.
type TLS struct {
	// Register holds g while Go code runs.
	Register Register
	// InMemory tells that g is also kept in memory, at the thread pointer
	// (FS base on amd64) plus Offset.
	InMemory bool
	Offset   int64
}

// globalSearch finds one variable of the runtime.
type globalSearch struct {
	symbol   string
	in       func(*Globals) *uint64
	function string                             // that uses it
	pick     func(b *Binary, uses []ref) uint64 // among its uses of variables
	epoll    bool                               // only where the netpoller sits on epoll
}

// on tells whether a system's runtime may have the variable.
func (s globalSearch) on(system string) bool { return !s.epoll || system == "linux" }

// globalSearches says how each variable is found in an executable without a
// symbol table: by what a function does with it.
var globalSearches = [...]globalSearch{
	// allgadd appends to allgs: it uses all three words of the slice. Then it
	// stores allgptr and allglen atomically, in this order; without inlining it
	// leaves the first to another function.
	{"runtime.allgs", func(g *Globals) *uint64 { return &g.AllGs }, fnAllgadd, pickSlice, false},
	{"runtime.allgptr", func(g *Globals) *uint64 { return &g.AllGPtr }, fnAllgadd, pickAtomic(1), false},
	{"runtime.allglen", func(g *Globals) *uint64 { return &g.AllGLen }, fnAllgadd, pickAtomic(0), false},
	// preemptall does nothing but walk over allp.
	{"runtime.allp", func(g *Globals) *uint64 { return &g.AllP }, fnPreemptall, pickRead(8), false},
	// netpoll begins with "if epfd == -1".
	{"runtime.epfd", func(g *Globals) *uint64 { return &g.EpFD }, fnNetpoll, pickRead(4), true},
	// Since Go 1.23 netpollBreak writes to netpollEventFd. Before, netpoll
	// compared an event with the address of netpollBreakRd, then read from it.
	{"runtime.netpollEventFd", func(g *Globals) *uint64 { return &g.NetpollEventFD }, fnNetpollBreak, pickEventFD, true},
	{"runtime.netpollBreakRd", func(g *Globals) *uint64 { return &g.NetpollBreakRd }, fnNetpoll, pickBreakRd, true},
	// The table is the only writable variable that String uses.
	{"runtime.waitReasonStrings", func(g *Globals) *uint64 { return &g.WaitReasonStrings }, fnWaitReason, pickWritable, false},
}

// Globals finds the runtime's variables: in the symbol table, or by the
// instructions that use them in an executable without one.
func (b *Binary) Globals() Globals { return b.globals() }

func (b *Binary) findGlobals() Globals {
	var g Globals
	symbols := make(map[string]uint64)
	for _, s := range globalSearches {
		if s.on(b.OS) {
			symbols[s.symbol] = 0
		}
	}
	b.image.objects(symbols)
	for _, s := range globalSearches {
		if *s.in(&g) = symbols[s.symbol]; *s.in(&g) != 0 || !b.Stripped || !s.on(b.OS) {
			continue
		}
		if uses, err := b.uses(s.function); err == nil {
			*s.in(&g) = s.pick(b, uses)
		}
	}
	return g
}

// uses lists a function's uses of variables, in the order of their addresses.
func (b *Binary) uses(function string) ([]ref, error) {
	_, list, err := b.code(function)
	if err != nil {
		return nil, err
	}
	var uses []ref
	for _, ins := range list {
		if ins.ref.kind != refNone {
			uses = append(uses, ins.ref)
		}
	}
	return uses, nil
}

// pickSlice picks the address of which the two following words are used too.
func pickSlice(_ *Binary, uses []ref) uint64 {
	used := make(map[uint64]bool)
	for _, u := range uses {
		if u.kind == refRead || u.kind == refWrite {
			used[u.addr] = true
			used[u.addr+8] = used[u.addr+8] || u.width == 16
		}
	}
	for _, u := range uses {
		if used[u.addr] && used[u.addr+8] && used[u.addr+16] {
			return u.addr
		}
	}
	return 0
}

// pickAtomic picks the variable that is stored atomically last but n.
func pickAtomic(n int) func(*Binary, []ref) uint64 {
	return func(_ *Binary, uses []ref) uint64 {
		later := 0
		for _, u := range slices.Backward(uses) {
			if u.kind != refAtomic {
				continue
			}
			if later == n {
				return u.addr
			}
			later++
		}
		return 0
	}
}

// pickRead picks the first variable that is read, if that takes so many bytes
// (or twice as many, in a load of two words).
func pickRead(width uint8) func(*Binary, []ref) uint64 {
	return func(_ *Binary, uses []ref) uint64 {
		for _, u := range uses {
			if u.kind != refRead {
				continue
			}
			if u.width == width || u.width == 2*width {
				return u.addr
			}
			return 0
		}
		return 0
	}
}

func pickEventFD(b *Binary, uses []ref) uint64 {
	if b.version.before(23, 0) {
		return 0
	}
	for _, u := range uses {
		if u.kind == refRead && u.width == 8 {
			return u.addr
		}
	}
	return 0
}

func pickBreakRd(b *Binary, uses []ref) uint64 {
	if !b.version.before(23, 0) {
		return 0
	}
	epfd := pickRead(4)(b, uses)
	taken := make(map[uint64]bool)
	for _, u := range uses {
		switch {
		case u.kind == refAddress:
			taken[u.addr] = u.addr != epfd
		case u.kind == refRead && taken[u.addr]:
			return u.addr
		}
	}
	return 0
}

func pickWritable(b *Binary, uses []ref) uint64 {
	for _, u := range uses {
		if s, ok := b.image.segmentOf(u.addr); ok && s.writable {
			return u.addr
		}
	}
	return 0
}

// WaitReasons is the runtime's words for why a goroutine waits, indexed by
// g.waitreason. They are read from the executable: their order changes between
// versions. See runtime/runtime2.go (waitReasonStrings).
func (b *Binary) WaitReasons() ([]string, error) {
	table := b.globals().WaitReasonStrings
	if table == 0 {
		return nil, errors.New("reading wait reasons: runtime.waitReasonStrings was not found")
	}
	n, err := b.countWaitReasons()
	if err != nil {
		return nil, fmt.Errorf("reading wait reasons: %w", err)
	}
	headers, err := b.image.relocated(table, 16*n)
	if err != nil {
		return nil, fmt.Errorf("reading wait reasons: %w", err)
	}
	const longest = 256
	reasons := make([]string, n)
	for i := range reasons {
		header := headers[16*i:]
		text, err := b.image.bytes(binary.LittleEndian.Uint64(header), min(binary.LittleEndian.Uint64(header[8:]), longest))
		if err != nil {
			return nil, fmt.Errorf("reading wait reason %d: %w", i, err)
		}
		reasons[i] = string(text)
	}
	return reasons, nil
}

// countWaitReasons reads the bound that waitReason.String checks its index with.
func (b *Binary) countWaitReasons() (uint64, error) {
	_, list, err := b.code(fnWaitReason)
	if err != nil {
		return 0, err
	}
	for _, ins := range list {
		if ins.op == opCompare && ins.value > 0 && ins.value <= 256 {
			return uint64(ins.value), nil
		}
	}
	return 0, fmt.Errorf("%s checks no bound", fnWaitReason)
}

// GFromThread says where a thread keeps its current g. On amd64 the offset is
// read from the code of mcall, which stores it: the linker decides on it.
func (b *Binary) GFromThread() (TLS, error) {
	where := TLS{Register: b.arch.g}
	if !b.arch.threadPointer {
		return where, nil
	}
	_, list, err := b.code(fnMcall)
	if err != nil {
		return TLS{}, fmt.Errorf("finding g's place in thread-local storage: %w", err)
	}
	for _, ins := range list {
		if ins.tls {
			where.InMemory, where.Offset = true, ins.threadOffset
			return where, nil
		}
	}
	return TLS{}, fmt.Errorf("finding g's place in thread-local storage: %s stores it at no constant offset", fnMcall)
}
