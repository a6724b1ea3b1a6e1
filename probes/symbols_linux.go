package probes

import (
	"encoding/binary"
	"io"

	"github.com/cilium/ebpf"
	"github.com/netpolltrace/netpolltrace/bpf"
	"github.com/netpolltrace/netpolltrace/gobinary"
	"github.com/netpolltrace/netpolltrace/process"
	"github.com/netpolltrace/netpolltrace/wait"
)

// stackOfSnapshot marks the number of a stack that user space gave out
// (STACK_OF_SNAPSHOT in records.h).
const stackOfSnapshot = 1 << 63

// symbols gives names to what the kernel side knows by address of a process.
// Each stack is looked up once, when its first wait arrives.
type symbols struct {
	symbolizer *process.Symbolizer
	chains     *ebpf.Map
	snapshots  [][]uint64 // stacks found by a snapshot, at link-time addresses
	stacks     map[uint64]*wait.Stack
	wakings    map[uint64]waking // by the number of a stack
	functions  map[uint64]string
	creators   map[uint64]creator // by the address to which the go statement returns
	pollers    map[uint64]string  // by what the kernel side has in pollers
}

func newSymbols(symbolizer *process.Symbolizer, bias uint64, chains *ebpf.Map, places *gobinary.Places) *symbols {
	s := &symbols{
		symbolizer: symbolizer,
		chains:     chains,
		stacks:     make(map[uint64]*wait.Stack),
		wakings:    make(map[uint64]waking),
		functions:  make(map[uint64]string),
		creators:   make(map[uint64]creator),
		pollers:    make(map[uint64]string),
	}
	for _, call := range places.NetpollCalls {
		s.pollers[call.Return+bias] = call.Poller
	}
	for _, poll := range places.InlinedPolls {
		s.pollers[poll.Place.Addr+bias] = poll.Poller
	}
	return s
}

// stack is nil where the kernel side could not read or keep the stack.
func (s *symbols) stack(id uint64) *wait.Stack {
	if id == 0 {
		return nil
	}
	if known, ok := s.stacks[id]; ok {
		return known
	}
	if id&stackOfSnapshot != 0 {
		s.stacks[id] = s.symbolizer.StackOf(s.snapshots[id&^stackOfSnapshot])
	} else if pcs := s.chain(id); pcs != nil {
		s.stacks[id] = s.symbolizer.Stack(pcs)
	}
	return s.stacks[id]
}

// waking is where a goroutine was that made another runnable.
type waking struct {
	line      string // as [wait.Stack.Line]
	runsTimer bool
}

func (s *symbols) waking(id uint64) waking {
	at, known := s.wakings[id]
	if !known {
		if stack := s.stack(id); stack != nil {
			at = waking{stack.Line, stack.RunsTimer()}
		}
		s.wakings[id] = at
	}
	return at
}

// creator is a go statement.
type creator struct {
	line     string // "file:line"
	function string // that it is in
}

// creator is the go statement that returns to an address. That of the main
// goroutine is none: assembly starts it.
func (s *symbols) creator(pc uint64) creator {
	if pc == 0 {
		return creator{}
	}
	statement, known := s.creators[pc]
	if !known {
		if f, ok := s.symbolizer.Call(pc); ok && f.Func != "runtime.rt0_go" {
			statement = creator{f.FileLine(), f.Func}
		}
		s.creators[pc] = statement
	}
	return statement
}

// chain is what the kernel side keeps under a number; nil for nothing.
func (s *symbols) chain(id uint64) []uint64 {
	var chain bpf.WaitsStack
	if err := s.chains.Lookup(id, &chain); err != nil {
		return nil
	}
	pcs := make([]uint64, 0, len(chain.Pcs))
	for _, pc := range chain.Pcs[:min(int(chain.Frames), len(chain.Pcs))] {
		if pc != 0 {
			pcs = append(pcs, pc)
		}
	}
	return pcs
}

// addSnapshot gives a stack that was found by a snapshot a number. pcs are
// link-time addresses.
func (s *symbols) addSnapshot(pcs []uint64) uint64 {
	s.snapshots = append(s.snapshots, pcs)
	return stackOfSnapshot | uint64(len(s.snapshots)-1)
}

// function is the name of the function at a run-time address.
func (s *symbols) function(pc uint64) string {
	if pc == 0 {
		return ""
	}
	name, known := s.functions[pc]
	if !known {
		name = s.symbolizer.Func(pc)
		s.functions[pc] = name
	}
	return name
}

func (s *symbols) poller(pc uint64) string { return s.pollers[pc] }

// processors maps the addresses of the runtime's processors to their numbers.
// A runtime.p is never freed, so what was read once holds.
type processors struct {
	memory  io.ReaderAt
	idAt    uint32 // offset of runtime.p.id
	numbers map[uint64]int32
}

// id is -1 where the processor is not known.
func (p *processors) id(addr uint64) int32 {
	if addr == 0 {
		return -1
	}
	if id, known := p.numbers[addr]; known {
		return id
	}
	var raw [4]byte
	id := int32(-1)
	if _, err := p.memory.ReadAt(raw[:], int64(addr)+int64(p.idAt)); err == nil {
		id = int32(binary.NativeEndian.Uint32(raw[:]))
	}
	p.numbers[addr] = id
	return id
}
