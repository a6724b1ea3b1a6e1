package probes

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/netpolltrace/netpolltrace/bpf"
	"github.com/netpolltrace/netpolltrace/gobinary"
	"github.com/netpolltrace/netpolltrace/process"
	"github.com/netpolltrace/netpolltrace/wait"
)

// adoption is what came of taking over the waits that were under way.
type adoption struct {
	epfd int // the netpoller's descriptor, from a snapshot; -1 if not known
	// stale are the goroutines that had moved on before they were entered: their
	// goid by the key of g.
	stale map[uint64]uint64

	entered      atomic.Uint64 // slots
	noRoom       atomic.Uint64 // waits for which there was no slot
	noDescriptor atomic.Uint64 // waits, delivered, of which it is not known what they are for
	staleEnded   atomic.Uint64 // stale slots that ended; see Counts
	staleOpen    atomic.Uint64
}

// adopt takes over the waits that are under way, so that their ends are
// recorded and those that do not end are reported as open. Their start is
// not known: they count from since on. The caller holds taking.
//
// The kernel side is at work meanwhile, hence the order: a goroutine is entered
// only where it has no slot yet, and looked at again afterwards. One that had
// moved on in between may have left a slot behind that is open although it runs;
// such a stale entry cannot be taken out again without racing against the
// goroutine's next park, so it is remembered, and what comes of it is dropped.
func (r *Recorder) adopt(t *traced, since int64) error {
	snapshot, err := t.target.Process.Goroutines(t.binary.Binary)
	if err != nil {
		return err
	}
	return r.adoptFrom(t, snapshot, since)
}

// adoptFrom takes over what waits in a snapshot.
func (r *Recorder) adoptFrom(t *traced, before *process.Snapshot, since int64) error {
	waiting := t.adoptable(before)
	if err := r.describeDescriptors(t, waiting, before.EpFD); err != nil {
		return err
	}
	entered, err := r.enter(t, waiting, since)
	if err != nil {
		return err
	}
	return t.findStale(entered)
}

func (t *traced) findStale(entered []*process.Goroutine) error {
	addrs := make([]uint64, len(entered))
	for i, g := range entered {
		addrs[i] = g.Addr
	}
	states, err := t.target.Process.States(t.target.Layout, addrs)
	if err != nil {
		return fmt.Errorf("looking at the waiting goroutines again: %w", err)
	}
	if t.adoption.stale == nil {
		t.adoption.stale = make(map[uint64]uint64)
	}
	for i, g := range entered {
		if now := states[i]; !waits(now.Status) || now.Goid != g.Goid || now.WaitReason != g.WaitReason {
			t.adoption.stale[keyOf(t.number, g.Addr)] = g.Goid
		}
	}
	return nil
}

// isStale tells whether a wait comes of a goroutine that had moved on before
// its slot was entered.
func (t *traced) isStale(g, goid uint64, flags uint8) bool {
	return has(flags, bpf.WaitsWaitFlagWAIT_STARTED_BEFORE) && t.adoption.stale[g] == goid
}

// countDescriptor counts a wait that is delivered without its descriptor. Before
// that it may turn out to be stale: of a goroutine whose descriptor was closed
// while its wait was taken over.
func (t *traced) countDescriptor(flags uint8, pd uint64, gen uint32) {
	if has(flags, bpf.WaitsWaitFlagWAIT_STARTED_BEFORE) && pd != 0 && gen == 0 {
		t.adoption.noDescriptor.Add(1)
	}
}

// adoptable are the goroutines whose end of waiting the mode's probes will see.
func (t *traced) adoptable(s *process.Snapshot) []*process.Goroutine {
	var waiting []*process.Goroutine
	mode, _ := t.currentMode()
	for i := range s.Goroutines {
		g := &s.Goroutines[i]
		if waits(g.Status) && (mode.everyPark || g.PollDesc != 0) {
			waiting = append(waiting, g)
		}
	}
	return waiting
}

func waits(s process.GoroutineStatus) bool { return s == process.GWaiting || s == process.GLeaked }

// describeDescriptors has the kernel side look at the descriptors.
func (r *Recorder) describeDescriptors(t *traced, waiting []*process.Goroutine, epfd int) error {
	fds := r.machine.collection.Maps[bpf.WaitsMapPolledFds]
	var put []uint32
	for _, g := range waiting {
		if g.PollDesc == 0 {
			continue
		}
		fd, polled := uint32(g.FD), bpf.WaitsPolledFd{Pd: g.PollDesc, Fdseq: t.fdseq(g.PollDesc)}
		err := fds.Put(fd, &polled)
		if errors.Is(err, unix.E2BIG) {
			break
		}
		if err != nil {
			return fmt.Errorf("entering fd %d: %w", g.FD, err)
		}
		put = append(put, fd)
	}
	errs := []error{r.machine.look(visit{pid: t.target.Process.PID, number: t.number, epfd: epfd})}
	for _, fd := range put {
		errs = append(errs, deleteKey(fds, fd)) // the next process has other descriptors
	}
	return errors.Join(errs...)
}

// fdseq is the generation of a pollDesc, 0 where there is none to be read.
func (t *traced) fdseq(pd uint64) uint64 {
	at := t.target.Layout.PollDesc.FDSeq
	if at == gobinary.NoField {
		return 0
	}
	var raw [8]byte
	if _, err := t.target.Process.ReadAt(raw[:], int64(pd)+int64(at)); err != nil {
		return 0
	}
	return binary.NativeEndian.Uint64(raw[:])
}

// enter makes slots for those that have none, and returns them.
func (r *Recorder) enter(t *traced, waiting []*process.Goroutine, since int64) ([]*process.Goroutine, error) {
	var entered []*process.Goroutine
	stacks := make(map[*uint64]uint64)
	_, changes := t.currentMode()
	slots := r.machine.collection.Maps[bpf.WaitsMapSlots]
	for _, g := range waiting {
		slot := r.slotOf(t, g, since)
		slot.ModeChanges = changes
		if len(g.PCs) > 0 {
			first := &g.PCs[0] // goroutines that wait alike share their stack
			if _, known := stacks[first]; !known {
				stacks[first] = t.decoder.symbols.addSnapshot(g.PCs)
			}
			slot.Stack = stacks[first]
		}
		err := slots.Update(keyOf(t.number, g.Addr), &slot, ebpf.UpdateNoExist)
		switch {
		case err == nil:
			entered = append(entered, g)
		case errors.Is(err, ebpf.ErrKeyExist):
		case errors.Is(err, unix.E2BIG):
			t.adoption.noRoom.Add(1)
		default:
			return nil, fmt.Errorf("entering goroutine %d: %w", g.Goid, err)
		}
	}
	t.adoption.entered.Add(uint64(len(entered)))
	return entered, nil
}

// slotOf is what the kernel side would have noted at the park.
func (r *Recorder) slotOf(t *traced, g *process.Goroutine, since int64) bpf.WaitsSlot {
	slot := bpf.WaitsSlot{
		Goid:        g.Goid,
		ParentGoid:  g.ParentGoid,
		PreemptedNs: unmeasured,
		ParkNs:      uint64(since),
		Open:        1,
		Reason:      g.WaitReason,
		Flags:       uint8(bpf.WaitsWaitFlagWAIT_STARTED_BEFORE),
	}
	if g.StartPC != 0 {
		slot.StartPc = g.StartPC + t.target.Bias
	}
	if g.GoPC != 0 {
		slot.GoPc = g.GoPC + t.target.Bias
	}
	if g.PollDesc == 0 {
		return slot
	}
	slot.Pd = keyOf(t.number, g.PollDesc)
	var pd bpf.WaitsPdSlot
	if err := r.machine.collection.Maps[bpf.WaitsMapPds].Lookup(slot.Pd, &pd); err == nil {
		slot.PdGen = pd.Gen
		if r.plan.tracksSends(bpf.WaitsFdKind(pd.Kind)) {
			slot.Flags |= uint8(bpf.WaitsWaitFlagWAIT_TRACKS_SENDS)
		}
		if pd.PendingNs != 0 {
			slot.Flags |= uint8(bpf.WaitsWaitFlagWAIT_PENDING_AT_PARK)
		}
	}
	endpoint := wait.Endpoint{Role: roleOf[bpf.WaitsFdRole(pd.Role)]}
	slot.Op = uint8(slices.Index(opOf[:], endpoint.Op(g.Write)))
	slot.Write = flag(g.Write)
	return slot
}
