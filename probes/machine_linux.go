package probes

import (
	"errors"
	"fmt"
	"io"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/ringbuf"

	"github.com/netpolltrace/netpolltrace/bpf"
)

// machine is the kernel side of a recording: the programs and maps, loaded
// once for all processes, and what is attached to the kernel itself.
type machine struct {
	plan       *Plan
	collection *ebpf.Collection
	reader     *ringbuf.Reader
	hooks      links
}

// loadMachine loads the programs of a plan and attaches those that are not put
// into processes.
func loadMachine(plan *Plan, limits Limits) (*machine, error) {
	spec, err := bpf.LoadWaits()
	if err != nil {
		return nil, err
	}
	plan.trim(spec)
	if err := configure(spec, plan, limits); err != nil {
		return nil, fmt.Errorf("configuring the kernel programs: %w", err)
	}
	m := &machine{plan: plan}
	if m.collection, err = ebpf.NewCollection(spec); err != nil {
		return nil, fmt.Errorf("loading the kernel programs: %w", err)
	}
	if m.reader, err = ringbuf.NewReader(m.collection.Maps[bpf.WaitsMapRecords]); err != nil {
		return nil, errors.Join(fmt.Errorf("opening the ring buffer: %w", err), m.close())
	}
	if err := m.attachHooks(); err != nil {
		return nil, errors.Join(err, m.close())
	}
	return m, nil
}

// configure sets what holds for all processes.
func configure(spec *ebpf.CollectionSpec, plan *Plan, limits Limits) error {
	for name, entries := range map[string]int{
		bpf.WaitsMapRecords:   limits.RingBuffer,
		bpf.WaitsMapSlots:     limits.MaxGoroutines,
		bpf.WaitsMapPds:       limits.MaxFDs,
		bpf.WaitsMapSockets:   limits.MaxFDs,
		bpf.WaitsMapPolledFds: limits.MaxFDs,
		bpf.WaitsMapStacks:    limits.MaxStacks,
	} {
		spec.Maps[name].MaxEntries = uint32(entries)
	}
	return errors.Join(
		spec.Variables[bpf.WaitsVarCaptureStacks].Set(flag(limits.Stacks)),
		spec.Variables[bpf.WaitsVarHaveCookies].Set(flag(plan.cookies)),
		spec.Variables[bpf.WaitsVarSendsSeen].Set(uint8(plan.sends())),
	)
}

// flag is a truth value as C has it.
func flag(set bool) uint8 {
	if set {
		return 1
	}
	return 0
}

func (m *machine) attachHooks() error {
	for _, h := range m.plan.hooks {
		if err := m.attachAll(h.name, h.programs); err != nil {
			return err
		}
	}
	return m.attachAll("to processes that begin and end", followHooks)
}

func (m *machine) attachAll(what string, programs []hookProgram) error {
	for _, p := range programs {
		attached, err := p.attach(m.collection.Programs[p.name])
		if err != nil {
			return fmt.Errorf("attaching %s: %w", what, err)
		}
		m.hooks = append(m.hooks, attached)
	}
	return nil
}

// detach takes out what is attached to the kernel.
func (m *machine) detach() error {
	err := m.hooks.Close()
	m.hooks = nil
	return err
}

func (m *machine) close() error {
	err := m.detach()
	if m.reader != nil {
		err = errors.Join(err, m.reader.Close())
	}
	m.collection.Close()
	return err
}

// programs are those of some names.
func (m *machine) programs(names []string) []*ebpf.Program {
	programs := make([]*ebpf.Program, len(names))
	for i, name := range names {
		programs[i] = m.collection.Programs[name]
	}
	return programs
}

// config is what the kernel side knows of a process. It holds until the number
// is given to another.
func (m *machine) config(number uint32) (bpf.WaitsWaitConfig, error) {
	var c bpf.WaitsWaitConfig
	if err := m.collection.Maps[bpf.WaitsMapConfigs].Lookup(indexOf(number), &c); err != nil {
		return c, fmt.Errorf("reading the configuration of a process: %w", err)
	}
	return c, nil
}

func (m *machine) setConfig(number uint32, c *bpf.WaitsWaitConfig) error {
	if err := m.collection.Maps[bpf.WaitsMapConfigs].Put(indexOf(number), c); err != nil {
		return fmt.Errorf("configuring the kernel programs for a process: %w", err)
	}
	return nil
}

// begin makes the kernel side ready for a process; it is not recorded before
// it was visited.
func (m *machine) begin(number uint32, c *bpf.WaitsWaitConfig) error {
	none := make([]bpf.WaitsProcessCounts, ebpf.MustPossibleCPU())
	if err := m.collection.Maps[bpf.WaitsMapCounters].Put(indexOf(number), none); err != nil {
		return fmt.Errorf("setting the kernel's counters: %w", err)
	}
	return m.setConfig(number, c)
}

// visit is a process to look for in the kernel.
type visit struct {
	pid    int
	number uint32
	begins bool // it is recorded from now on
	epfd   int  // its netpoller's descriptor; -1 if that is not known
}

// look runs find_target: it learns which task the process is, and what the
// descriptors in polled_fds are. Only one may run at a time.
func (m *machine) look(v visit) error {
	variables := m.collection.Variables
	if err := errors.Join(
		variables[bpf.WaitsVarWantedPid].Set(int32(v.pid)),
		variables[bpf.WaitsVarWantedProcess].Set(v.number),
		variables[bpf.WaitsVarWantedBegins].Set(flag(v.begins)),
		variables[bpf.WaitsVarWantedEpfd].Set(int32(v.epfd)),
	); err != nil {
		return fmt.Errorf("looking for process %d in the kernel: %w", v.pid, err)
	}
	if err := m.visitFiles(); err != nil {
		return fmt.Errorf("looking for process %d in the kernel: %w", v.pid, err)
	}
	if !v.begins {
		return nil
	}
	c, err := m.config(v.number)
	if err == nil && c.Tgid == 0 {
		err = fmt.Errorf("process %d has no open file that the kernel shows: is it still running?", v.pid)
	}
	return err
}

func (m *machine) visitFiles() error {
	iter, err := link.AttachIter(link.IterOptions{Program: m.collection.Programs[bpf.WaitsProgFindTarget]})
	if err != nil {
		return err
	}
	defer iter.Close()
	files, err := iter.Open()
	if err != nil {
		return err
	}
	defer files.Close()
	_, err = io.Copy(io.Discard, files)
	return err
}

// retire makes the kernel side forget who a process is. What it knows under the
// process's number stays until [machine.sweep].
func (m *machine) retire(number uint32) error {
	c, err := m.config(number)
	if err != nil {
		return err
	}
	tgid, epoll := c.Tgid, c.Epoll
	c.Process, c.Tgid = 0, 0
	errs := []error{m.setConfig(number, &c)}
	if tgid != 0 {
		errs = append(errs, deleteKey(m.collection.Maps[bpf.WaitsMapTargets], tgid))
	}
	if epoll != 0 {
		errs = append(errs, deleteKey(m.collection.Maps[bpf.WaitsMapEpolls], epoll))
	}
	return errors.Join(errs...)
}

// isTarget tells whether the kernel side knows a thread group as the process
// with a number: not when it runs another program meanwhile.
func (m *machine) isTarget(tgid, number uint32) bool {
	var known uint32
	err := m.collection.Maps[bpf.WaitsMapTargets].Lookup(tgid, &known)
	return err == nil && known == number
}

// deleteKey deletes an entry that may be gone.
func deleteKey[K any](m *ebpf.Map, key K) error {
	if err := m.Delete(key); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
		return fmt.Errorf("deleting from map %v: %w", m, err)
	}
	return nil
}

// counts reads what was counted of a process.
func (m *machine) counts(number uint32) (counts, error) {
	var c counts
	var perCPU []bpf.WaitsProcessCounts
	if err := m.collection.Maps[bpf.WaitsMapCounters].Lookup(indexOf(number), &perCPU); err != nil {
		return c, fmt.Errorf("reading the kernel's counters: %w", err)
	}
	for _, cpu := range perCPU {
		of := counts(cpu.Of)
		c.add(&of)
	}
	return c, nil
}

// sweep makes room by deleting what is left of processes that are gone.
func (m *machine) sweep(gone map[uint32]bool) error {
	maps := m.collection.Maps
	ofKey := func(key uint64) bool { return gone[numberOf(key)] }
	return errors.Join(
		deleteWhere(maps[bpf.WaitsMapSlots], func(key uint64, _ *bpf.WaitsSlot) bool { return ofKey(key) }),
		deleteWhere(maps[bpf.WaitsMapPds], func(key uint64, _ *bpf.WaitsPdSlot) bool { return ofKey(key) }),
		deleteWhere(maps[bpf.WaitsMapSockets], func(_ uint64, pd *uint64) bool { return ofKey(*pd) }),
		deleteWhere(maps[bpf.WaitsMapStacks], func(_ uint64, s *bpf.WaitsStack) bool { return gone[s.Process] }),
	)
}

// deleteWhere deletes the entries for which something holds.
func deleteWhere[V any](m *ebpf.Map, holds func(uint64, *V) bool) error {
	var chosen []uint64
	err := eachEntry(m, func(key uint64, value *V) error {
		if holds(key, value) {
			chosen = append(chosen, key)
		}
		return nil
	})
	for _, key := range chosen {
		err = errors.Join(err, deleteKey(m, key))
	}
	return err
}

// entriesAtOnce is how many entries of a map are read by one system call.
const entriesAtOnce = 512

// eachEntry visits the entries of a map, and ends with the first error.
func eachEntry[V any](m *ebpf.Map, visit func(uint64, *V) error) error {
	keys, values := make([]uint64, entriesAtOnce), make([]V, entriesAtOnce)
	var cursor ebpf.MapBatchCursor
	for {
		n, err := m.BatchLookup(&cursor, keys, values, nil)
		if err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return fmt.Errorf("reading map %v: %w", m, err)
		}
		for i := range n {
			if err := visit(keys[i], &values[i]); err != nil {
				return err
			}
		}
		if err != nil {
			return nil
		}
	}
}

// addressBits is where a process's number begins in a key (ADDRESS_BITS in
// records.h).
const addressBits = 48

// keyOf is the word by which the kernel side knows an address of a process.
func keyOf(number uint32, address uint64) uint64 { return uint64(number)<<addressBits | address }

// numberOf is the process of a key.
func numberOf(key uint64) uint32 { return uint32(key >> addressBits) }
