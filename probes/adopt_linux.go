package probes

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/netpolltrace/netpolltrace/bpf"
	"github.com/netpolltrace/netpolltrace/gobinary"
	"github.com/netpolltrace/netpolltrace/process"
	"github.com/netpolltrace/netpolltrace/wait"
)

// adoption counts what came of taking over the waits that were under way.
type adoption struct {
	entered      uint64 // slots
	noRoom       uint64 // waits for which there was no slot
	noDescriptor uint64 // waits, delivered, of which it is not known what they are for
	phantoms     uint64 // see Counts
	openPhantoms uint64
}

// Adopt takes over the waits that began before the probes were attached, so
// that their ends are recorded and those that do not end are reported as open.
//
// The kernel side is at work meanwhile, hence the order: a goroutine is entered
// only where it has no slot yet, and looked at again afterwards. One that had
// moved on in between may have left a slot behind that is open although it runs;
// such a phantom cannot be taken out again without racing against its next
// park, so it is remembered, and what comes of it is dropped.
func (r *Recorder) Adopt(before *process.Snapshot) error {
	waiting := r.adoptable(before)
	if err := r.describeDescriptors(waiting); err != nil {
		return err
	}
	entered, err := r.enter(waiting)
	if err != nil {
		return err
	}
	return r.findPhantoms(entered)
}

func (r *Recorder) findPhantoms(entered []*process.Goroutine) error {
	addrs := make([]uint64, len(entered))
	for i, g := range entered {
		addrs[i] = g.Addr
	}
	states, err := r.target.Process.States(r.target.Layout, addrs)
	if err != nil {
		return fmt.Errorf("looking at the waiting goroutines again: %w", err)
	}
	r.phantoms = make(map[uint64]uint64)
	for i, g := range entered {
		if now := states[i]; !waits(now.Status) || now.Goid != g.Goid || now.WaitReason != g.WaitReason {
			r.phantoms[g.Addr] = g.Goid
		}
	}
	return nil
}

// phantom tells whether a wait comes of a goroutine that had moved on before
// its slot was entered.
func (r *Recorder) phantom(g, goid uint64, flags uint8) bool {
	return has(flags, bpf.WaitsWaitFlagWAIT_STARTED_BEFORE) && r.phantoms[g] == goid
}

// countDescriptor counts a wait that is delivered without its descriptor. Before
// that it may turn out a phantom: of a goroutine whose descriptor was closed
// while its wait was taken over.
func (r *Recorder) countDescriptor(flags uint8, pd uint64, gen uint32) {
	if has(flags, bpf.WaitsWaitFlagWAIT_STARTED_BEFORE) && pd != 0 && gen == 0 {
		r.adoption.noDescriptor++
	}
}

// adoptable are the goroutines whose end of waiting the mode's probes will see.
func (r *Recorder) adoptable(s *process.Snapshot) []*process.Goroutine {
	var waiting []*process.Goroutine
	for i := range s.Goroutines {
		g := &s.Goroutines[i]
		if waits(g.Status) && (r.plan.Mode == wait.ModeAll || g.PollDesc != 0) {
			waiting = append(waiting, g)
		}
	}
	return waiting
}

func waits(s process.GoroutineStatus) bool { return s == process.GWaiting || s == process.GLeaked }

// describeDescriptors has the kernel side look at the descriptors.
func (r *Recorder) describeDescriptors(waiting []*process.Goroutine) error {
	fds := r.collection.Maps[bpf.WaitsMapPolledFds]
	for _, g := range waiting {
		if g.PollDesc == 0 {
			continue
		}
		polled := bpf.WaitsPolledFd{Pd: g.PollDesc, Fdseq: r.fdseq(g.PollDesc)}
		err := fds.Put(uint32(g.FD), &polled)
		if errors.Is(err, unix.E2BIG) {
			break
		}
		if err != nil {
			return fmt.Errorf("entering fd %d: %w", g.FD, err)
		}
	}
	return r.visitFiles()
}

// fdseq is the generation of a pollDesc, 0 where there is none to be read.
func (r *Recorder) fdseq(pd uint64) uint64 {
	at := r.target.Layout.PollDesc.FDSeq
	if at == gobinary.NoField {
		return 0
	}
	var raw [8]byte
	if _, err := r.target.Process.ReadAt(raw[:], int64(pd)+int64(at)); err != nil {
		return 0
	}
	return binary.NativeEndian.Uint64(raw[:])
}

// enter makes slots for those that have none, and returns them.
func (r *Recorder) enter(waiting []*process.Goroutine) ([]*process.Goroutine, error) {
	var entered []*process.Goroutine
	stacks := make(map[*uint64]uint64)
	slots := r.collection.Maps[bpf.WaitsMapSlots]
	for _, g := range waiting {
		slot := r.slotOf(g)
		if len(g.PCs) > 0 {
			first := &g.PCs[0] // goroutines that wait alike share their stack
			if _, known := stacks[first]; !known {
				stacks[first] = r.decoder.symbols.addSnapshot(g.PCs)
			}
			slot.Stack = stacks[first]
		}
		err := slots.Update(g.Addr, &slot, ebpf.UpdateNoExist)
		switch {
		case err == nil:
			entered = append(entered, g)
		case errors.Is(err, ebpf.ErrKeyExist):
		case errors.Is(err, unix.E2BIG):
			r.adoption.noRoom++
		default:
			return nil, fmt.Errorf("entering goroutine %d: %w", g.Goid, err)
		}
	}
	r.adoption.entered = uint64(len(entered))
	return entered, nil
}

// slotOf is what the kernel side would have noted at the park.
func (r *Recorder) slotOf(g *process.Goroutine) bpf.WaitsSlot {
	slot := bpf.WaitsSlot{
		Goid:   g.Goid,
		ParkNs: uint64(r.decoder.began),
		Pd:     g.PollDesc,
		Open:   1,
		Reason: g.WaitReason,
		Flags:  uint8(bpf.WaitsWaitFlagWAIT_STARTED_BEFORE),
	}
	if g.StartPC != 0 {
		slot.StartPc = g.StartPC + r.target.Bias
	}
	if g.PollDesc == 0 {
		return slot
	}
	var pd bpf.WaitsPdSlot
	if err := r.collection.Maps[bpf.WaitsMapPds].Lookup(g.PollDesc, &pd); err == nil {
		slot.PdGen = pd.Gen
		if r.tracksSends(bpf.WaitsFdKind(pd.Kind)) {
			slot.Flags |= uint8(bpf.WaitsWaitFlagWAIT_TRACKS_SENDS)
		}
		if pd.OwedNs != 0 {
			slot.Flags |= uint8(bpf.WaitsWaitFlagWAIT_OWED_AT_PARK)
		}
	}
	slot.Op = uint8(operationOf(g.Write, bpf.WaitsFdRole(pd.Role)))
	if g.Write {
		slot.Write = 1
	}
	return slot
}

func operationOf(write bool, role bpf.WaitsFdRole) bpf.WaitsWaitOp {
	switch {
	case write:
		return bpf.WaitsWaitOpOP_WRITE
	case role == bpf.WaitsFdRoleROLE_LISTENING:
		return bpf.WaitsWaitOpOP_ACCEPT
	}
	return bpf.WaitsWaitOpOP_READ
}

// tracksSends tells whether sends on descriptors of that kind are seen.
func (r *Recorder) tracksSends(kind bpf.WaitsFdKind) bool {
	seen := bpf.WaitsSendsSENDS_OTHER
	if kind == bpf.WaitsFdKindFD_TCP {
		seen = bpf.WaitsSendsSENDS_TCP
	}
	return bpf.WaitsSends(r.config.SendsSeen)&seen != 0
}
