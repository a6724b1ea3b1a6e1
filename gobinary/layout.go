package gobinary

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
)

// NoField is the offset of a field that this version of Go does not have.
const NoField uint32 = math.MaxUint32

// Layout holds the byte offsets of the fields of the runtime's structures that
// are read from outside. A field that this version lacks is [NoField].
type Layout struct {
	Source string // where the offsets are from: "DWARF", or "table go1.26.0 to go1.26.11"
	// Guess tells that the offsets are those of another release, since nothing
	// is known of this one: they are worth nothing before a process has been
	// found to agree with them.
	Guess    bool
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
	WaitLock                         uint32 // gopark's argument lock
}

// LayoutP is of runtime.p, a processor.
type LayoutP struct {
	ID, Status, M uint32 // ID and Status are 4 bytes wide
}

// LayoutPollDesc is of runtime.pollDesc, what the netpoller knows of a descriptor.
type LayoutPollDesc struct {
	Link, FD, FDSeq, AtomicInfo, RG, WG, Self, Size uint32
}

// Layout is the layout of the runtime's structures in this executable.
//
// It is taken from the embedded table if the executable was built by a release
// that is in it: that costs nothing, while the DWARF of a large program takes
// part of a second to unpack. For all other toolchains (newer releases, release
// candidates, experiments) DWARF is asked first. Only without it the table's
// entry of the nearest older release is taken, as a Guess.
func (b *Binary) Layout() (*Layout, error) { return b.layout() }

func (b *Binary) findLayout() (*Layout, error) {
	table, err := readOffsets()
	if err != nil {
		return nil, err
	}
	entry, exact := table.lookup(b.version)
	if exact {
		return entry.layout(b.OS), nil
	}
	if b.HasDWARF {
		l, err := dwarfLayout(b)
		if err == nil || errors.Is(err, ErrUnsupported) {
			return l, err
		}
	}
	l := entry.layout(b.OS)
	l.Guess = true
	l.Source += ", a guess for " + b.GoVersion
	return l, nil
}

//go:embed offsets.json
var offsetsJSON []byte

// offsetTable is the content of offsets.json, oldest releases first. It is the
// same for all architectures: sizeof(runtime.p), which differs, is not in it.
// TestOffsetsOfReleases writes it (make generate).
type offsetTable []offsetEntry

// offsetEntry holds the offsets that a range of releases has in common.
type offsetEntry struct {
	First   string            `json:"first"` // release
	Last    string            `json:"last"`  // the last release that was looked at
	Offsets map[string]uint32 `json:"offsets"`
	// Systems holds by system the offsets that are others there than in
	// Offsets, which are Linux's: a thread's structure has the system's own
	// signal mask in it.
	Systems map[string]map[string]uint32 `json:"systems,omitempty"`
}

func readOffsets() (offsetTable, error) {
	var t offsetTable
	if err := json.Unmarshal(offsetsJSON, &t); err != nil {
		return nil, fmt.Errorf("reading the embedded offsets.json: %w", err)
	}
	return t, nil
}

// lookup finds the entry of a release. Where there is none it finds the last
// one before it, and reports false. The table begins with the oldest release that
// [Open] accepts.
func (t offsetTable) lookup(v version) (entry *offsetEntry, exact bool) {
	for i := range t {
		first, _ := parseVersion(t[i].First)
		if first.compare(v) > 0 {
			break
		}
		last, _ := parseVersion(t[i].Last)
		entry, exact = &t[i], last.compare(v) >= 0 && !v.altered
	}
	return entry, exact
}

// on is the offsets on a system.
func (e *offsetEntry) on(system string) map[string]uint32 {
	offsets := maps.Clone(e.Offsets)
	maps.Copy(offsets, e.Systems[system])
	return offsets
}

// layout puts the offsets on a system in their places.
func (e *offsetEntry) layout(system string) *Layout {
	l := &Layout{Source: "table " + e.First + " to " + e.Last}
	offsets := e.on(system)
	for _, f := range fields {
		*f.in(l) = NoField
		if offset, ok := offsets[f.key()]; ok {
			*f.in(l) = offset
		}
	}
	return l
}

// key is the field's name in offsets.json.
func (f field) key() string { return f.typ + "." + f.path }

// dwarfLayout reads the layout from the executable's DWARF.
func dwarfLayout(b *Binary) (*Layout, error) {
	data, err := b.image.dwarf()
	if err != nil {
		return nil, fmt.Errorf("reading DWARF: %w", err)
	}
	types, err := runtimeTypes(data)
	if err != nil {
		return nil, fmt.Errorf("reading DWARF: %w", err)
	}
	l := &Layout{Source: "DWARF"}
	for _, f := range fields {
		offset, found := types.offset(f)
		if !found && f.inVersion(b.version) {
			return nil, fmt.Errorf("%w: %s has no field %s.%s; use a newer netpolltrace",
				ErrUnsupported, b.GoVersion, f.typ, f.path)
		}
		*f.in(l) = offset
	}
	return l, nil
}
