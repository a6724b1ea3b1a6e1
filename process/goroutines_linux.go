package process

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/netpolltrace/netpolltrace/gobinary"
)

// Goroutine is a goroutine at the moment of a [Snapshot].
type Goroutine struct {
	Addr uint64 // of its runtime.g
	Goid uint64
	// Status is the runtime's: see the constants of [GoroutineStatus].
	Status GoroutineStatus
	// WaitReason is the runtime's number for what it waits for, Reason the
	// runtime's words: "IO wait", "chan receive". A goroutine in a system call
	// has the Reason "syscall"; one that does not wait has none.
	WaitReason uint8
	Reason     string
	ParentGoid uint64 // who started it; 0 when not known
	StartPC    uint64 // the function that it was started with, at link time
	GoPC       uint64 // where the go statement that started it returns to, at link time
	// System tells that the runtime started it for its own use.
	System bool

	// PCs is its stack, as link-time addresses: the load bias is taken off.
	// The first is where it stopped, the others are return addresses, outwards.
	// Goroutines that wait alike share it. Empty for one that is not parked, and
	// for one whose stack could not be read.
	PCs []uint64

	// PollDesc is the runtime.pollDesc that it waits for in the netpoller, FD
	// the descriptor of that, and Write tells that it waits to write. PollDesc
	// is 0 and FD is -1 when it waits for something else.
	PollDesc uint64
	FD       int32
	Write    bool
}

// GoroutineStatus is the state of a goroutine: the _G constants of
// runtime/runtime2.go, without the bit that says that it is being scanned.
type GoroutineStatus uint32

// The states of a goroutine that are told apart here.
const (
	GIdle      GoroutineStatus = 0
	GRunnable  GoroutineStatus = 1
	GRunning   GoroutineStatus = 2
	GSyscall   GoroutineStatus = 3
	GWaiting   GoroutineStatus = 4
	GDead      GoroutineStatus = 6
	GCopyStack GoroutineStatus = 8
	GPreempted GoroutineStatus = 9
	GLeaked    GoroutineStatus = 10 // Go 1.26 and newer: waiting, and found to be for ever
	GDeadExtra GoroutineStatus = 11 // Go 1.26 and newer: of a thread made by C, at rest
)

const (
	scanBit   = 0x1000 // _Gscan
	maxStatus = GDeadExtra
)

// Parked tells whether a goroutine of this status waits for something other
// than a CPU, a system call included.
func (s GoroutineStatus) Parked() bool {
	return s == GWaiting || s == GLeaked || s == GSyscall
}

// Snapshot is the goroutines of a process at about one moment. Nothing was
// stopped to take it: each goroutine is as it was at some time while it was
// taken, and was the same before and after it was read.
type Snapshot struct {
	Goroutines []Goroutine // without dead ones; in the runtime's order
	// Changed is how many goroutines are left out because they changed each
	// time that they were read: they ran. Running goroutines are not among them.
	Changed int
	// EpFD is the descriptor of the netpoller's epoll set; -1 if there is none
	// yet, or none that has a descriptor in it.
	EpFD     int
	Decoding gobinary.EpollDecoding // how EpFD's entries tell their pollDesc
	// GOMAXPROCS is the number of processors in use, PByAddr their IDs by the
	// address of their runtime.p. 0 and empty where they could not be found.
	GOMAXPROCS int
	PByAddr    map[uint64]int32
}

// Goroutines takes a snapshot of the process's goroutines. It refuses to tell
// anything where what it reads cannot be goroutines, since then the layout of
// the runtime's structures is not the one that it knows. In a program that has
// only just been started, and not set up its runtime, there are none.
func (p *Process) Goroutines(b *gobinary.Binary) (*Snapshot, error) {
	r, err := p.newReader(b)
	if err != nil {
		return nil, err
	}
	s, err := r.snapshot()
	if err != nil {
		return nil, p.unlessEnded(err)
	}
	return s, nil
}

// endTime is how long a program that ends may take for it on a busy machine.
const endTime = 100 * time.Millisecond

// unlessEnded is the error of reading a program, or that it has ended: one that is
// ending loses its threads one by one, which looks like a layout that is not known.
func (p *Process) unlessEnded(err error) error {
	select {
	case <-p.Exited():
	case <-time.After(endTime):
	}
	if ended := p.Running(); ended != nil {
		return fmt.Errorf("reading the goroutines: %w", ended)
	}
	return err
}

func (r *reader) snapshot() (*Snapshot, error) {
	s := new(Snapshot)
	var err error
	if s.PByAddr, err = r.processors(); err != nil {
		return nil, err
	}
	s.GOMAXPROCS = len(s.PByAddr)
	if r.poller, err = r.netpoller(); err != nil {
		return nil, err
	}
	s.EpFD, s.Decoding = r.poller.EpFD, r.poller.Decoding
	if s.Goroutines, s.Changed, err = r.collect(); err != nil {
		return nil, err
	}
	// What was read is worth something only if it was one program all the time.
	if err := r.p.Running(); err != nil {
		return nil, fmt.Errorf("reading the goroutines: %w", err)
	}
	return s, nil
}

// GState is the state of a goroutine, read alone.
type GState struct {
	Status     GoroutineStatus
	Goid       uint64 // 0 for a g that could not be read
	WaitReason uint8
}

// States reads what the goroutines at some addresses do now, so as to drop
// what changed since a snapshot.
func (p *Process) States(l *gobinary.Layout, addrs []uint64) ([]GState, error) {
	const status, goid, reason = 4, 8, 1 // sizes
	const size = status + goid + reason
	buf := make([]byte, size*len(addrs))
	pieces := make([]piece, 0, 3*len(addrs))
	for i, addr := range addrs {
		b := buf[size*i:]
		pieces = append(pieces,
			piece{addr: addr + uint64(l.G.AtomicStatus), buf: b[:status]},
			piece{addr: addr + uint64(l.G.Goid), buf: b[status : status+goid]},
			piece{addr: addr + uint64(l.G.WaitReason), buf: b[status+goid : size]})
	}
	if err := p.readPieces(pieces); err != nil {
		return nil, err
	}
	states := make([]GState, len(addrs))
	for i := range states {
		if s, g, reason := pieces[3*i], pieces[3*i+1], pieces[3*i+2]; s.ok && g.ok && reason.ok {
			states[i].Status = GoroutineStatus(binary.LittleEndian.Uint32(s.buf) &^ scanBit)
			states[i].Goid = binary.LittleEndian.Uint64(g.buf)
			states[i].WaitReason = reason.buf[0]
		}
	}
	return states, nil
}

// reader reads the goroutines of one process.
type reader struct {
	p       *Process
	binary  *gobinary.Binary
	layout  *gobinary.Layout
	globals gobinary.Globals
	bias    uint64
	reasons []string
	poller  *netpoller
	stacks  *stackReader
	starts  map[uint64]string // names of start functions, by address
	gs      struct {          // scratch of readGs
		buf    []byte
		pieces []piece
	}
}

func (p *Process) newReader(b *gobinary.Binary) (*reader, error) {
	layout, err := b.Layout()
	if err != nil {
		return nil, fmt.Errorf("reading the goroutines of process %d: %w", p.PID, err)
	}
	reasons, err := b.WaitReasons()
	if err != nil {
		return nil, fmt.Errorf("reading the goroutines of process %d: %w", p.PID, err)
	}
	bias, err := p.Bias(b)
	if err != nil {
		return nil, err
	}
	return &reader{
		p: p, binary: b, layout: layout, globals: b.Globals(), bias: bias, reasons: reasons,
		stacks: &stackReader{p: p, bias: bias, binary: b, chains: make(map[string]*chain)},
		starts: make(map[uint64]string),
	}, nil
}

// maxGoroutines bounds the goroutines, dead ones included, that are believed
// and read: with their stacks so many take 20 GB at least.
const maxGoroutines = 1 << 23

// addresses reads the runtime's list of all goroutines, which never shrinks.
func (r *reader) addresses() ([]uint64, error) {
	array, length, err := r.allgs()
	if err != nil {
		return nil, err
	}
	if length > maxGoroutines {
		return nil, r.misfit("%d goroutines", length)
	}
	return r.words(array, length)
}

// allgs reads where the list is and how long. The runtime publishes the array
// before the length (allgadd in runtime/proc.go), so that the length is read first.
func (r *reader) allgs() (array, length uint64, err error) {
	lengthAddr, arrayAddr := r.globals.AllGLen, r.globals.AllGPtr
	if lengthAddr == 0 || arrayAddr == 0 {
		if r.globals.AllGs == 0 {
			return 0, 0, fmt.Errorf("reading the goroutines of process %d: runtime.allgs was not found in its executable; build it without -ldflags=-s", r.p.PID)
		}
		arrayAddr, lengthAddr = r.globals.AllGs, r.globals.AllGs+8
	}
	if length, err = r.word(lengthAddr + r.bias); err != nil {
		return 0, 0, err
	}
	array, err = r.word(arrayAddr + r.bias)
	return array, length, err
}

// word reads a word of the process's memory.
func (r *reader) word(addr uint64) (uint64, error) {
	words, err := r.words(addr, 1)
	if err != nil {
		return 0, err
	}
	return words[0], nil
}

func (r *reader) words(addr, n uint64) ([]uint64, error) {
	const most = 1 << 13 // that are read at once
	words := make([]uint64, 0, n)
	raw := make([]byte, 8*min(n, most))
	for n > 0 {
		part := raw[:8*min(n, most)]
		if _, err := r.p.ReadAt(part, int64(addr)); err != nil {
			return nil, err
		}
		for at := 0; at < len(part); at += 8 {
			words = append(words, binary.LittleEndian.Uint64(part[at:]))
		}
		addr += uint64(len(part))
		n -= uint64(len(part)) / 8
	}
	return words, nil
}

// processors reads the IDs of the processors by address. The runtime cuts
// runtime.allp to GOMAXPROCS.
func (r *reader) processors() (map[uint64]int32, error) {
	ids := make(map[uint64]int32)
	if r.globals.AllP == 0 {
		return ids, nil
	}
	const maxProcessors = 1 << 16
	header, err := r.words(r.globals.AllP+r.bias, 2)
	if err != nil {
		return nil, err
	}
	if header[1] > maxProcessors {
		return nil, r.misfit("%d processors", header[1])
	}
	addrs, err := r.words(header[0], header[1])
	if err != nil {
		return nil, err
	}
	for i, addr := range addrs {
		var id [4]byte
		if _, err := r.p.ReadAt(id[:], int64(addr+uint64(r.layout.P.ID))); err != nil {
			return nil, err
		}
		if got := binary.LittleEndian.Uint32(id[:]); got != uint32(i) {
			return nil, r.misfit("processor %d has the ID %d", i, got)
		}
		ids[addr] = int32(i)
	}
	return ids, nil
}

// rawG is what is read of a runtime.g.
type rawG struct {
	addr                            uint64
	stackLo, stackHi                uint64
	m                               uint64
	schedSP, schedPC, schedBP       uint64
	syscallSP, syscallPC, syscallBP uint64
	status                          GoroutineStatus
	goid                            uint64
	waitReason                      uint8
	parentGoid, startPC, goPC       uint64
}

// gSize is how much of a g is read.
func gSize(l *gobinary.LayoutG) int {
	return sizeUpTo(8, l.StackLo, l.StackHi, l.M, l.SchedSP, l.SchedPC, l.SchedBP, l.SyscallSP, l.SyscallPC,
		l.SyscallBP, l.AtomicStatus, l.Goid, l.WaitReason, l.ParentGoid, l.StartPC, l.GoPC)
}

func decodeG(l *gobinary.LayoutG, addr uint64, raw []byte) rawG {
	return rawG{
		addr:       addr,
		stackLo:    word(raw, l.StackLo),
		stackHi:    word(raw, l.StackHi),
		m:          word(raw, l.M),
		schedSP:    word(raw, l.SchedSP),
		schedPC:    word(raw, l.SchedPC),
		schedBP:    word(raw, l.SchedBP),
		syscallSP:  word(raw, l.SyscallSP),
		syscallPC:  word(raw, l.SyscallPC),
		syscallBP:  word(raw, l.SyscallBP),
		status:     GoroutineStatus(uint32(word(raw, l.AtomicStatus)) &^ scanBit),
		goid:       word(raw, l.Goid),
		waitReason: uint8(word(raw, l.WaitReason)),
		parentGoid: word(raw, l.ParentGoid),
		startPC:    word(raw, l.StartPC),
		goPC:       word(raw, l.GoPC),
	}
}

// gone tells whether the g holds no goroutine at present.
func (g *rawG) gone() bool {
	return g.status == GIdle || g.status == GDead || g.status == GDeadExtra
}

// same tells whether nothing happened to the goroutine between two readings,
// as far as can be seen.
func (g *rawG) same(later *rawG) bool {
	return g.status == later.status && g.goid == later.goid && g.waitReason == later.waitReason &&
		g.schedSP == later.schedSP && g.schedPC == later.schedPC && g.schedBP == later.schedBP &&
		g.syscallSP == later.syscallSP && g.syscallPC == later.syscallPC
}
