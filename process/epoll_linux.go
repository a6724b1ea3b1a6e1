package process

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/netpolltrace/netpolltrace/gobinary"
)

// EpollSet is an epoll instance of a process.
type EpollSet struct {
	EpFD    int // a descriptor of the process that refers to it
	Entries []EpollEntry
}

// EpollEntry is a descriptor that is registered in an epoll set.
type EpollEntry struct {
	FD     int    // number under which it was registered
	Events uint32 // EPOLLIN, EPOLLET, ...
	Data   uint64 // epoll_event.data, what the program wants to be told
}

// parseEpollInfo parses the registrations in /proc/PID/fdinfo/FD of an epoll
// descriptor; see proc_pid_fdinfo(5). Lines of other kinds are skipped.
func parseEpollInfo(text string) ([]EpollEntry, error) {
	entries := make([]EpollEntry, 0, strings.Count(text, "tfd:"))
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(line, "tfd:")
		if !ok {
			continue
		}
		e, err := parseEpollEntry(strings.Fields(rest))
		if err != nil {
			return nil, fmt.Errorf("line %q: %w", line, err)
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// parseEpollEntry parses what follows "tfd:": "9 events: 8000201d data:
// 3f87b5fb40000001 pos:0 ino:5a3c sdev:8", of which older kernels end after
// the data. The kernel may pad the data with spaces.
func parseEpollEntry(fields []string) (EpollEntry, error) {
	const fd, eventsKey, events, dataKey, data = 0, 1, 2, 3, 4
	if len(fields) <= data || fields[eventsKey] != "events:" || fields[dataKey] != "data:" {
		return EpollEntry{}, errors.New("no events and data")
	}
	number, err := strconv.ParseInt(fields[fd], 10, 32)
	if err != nil {
		return EpollEntry{}, err
	}
	mask, err := strconv.ParseUint(fields[events], 16, 32)
	if err != nil {
		return EpollEntry{}, err
	}
	value, err := strconv.ParseUint(fields[data], 16, 64)
	if err != nil {
		return EpollEntry{}, err
	}
	return EpollEntry{FD: int(number), Events: uint32(mask), Data: value}, nil
}

// EpollSets are all epoll sets of the process, the netpoller's and others,
// by descriptor. While the kernel prints one it holds the set's lock, so that
// the program's own epoll calls wait: 1 to 2 us for each descriptor in it
// (Linux 6.18; ep_show_fdinfo in fs/eventpoll.c).
func (p *Process) EpollSets() ([]EpollSet, error) {
	fds, err := p.FDs()
	if err != nil {
		return nil, err
	}
	var sets []EpollSet
	for number, fd := range fds {
		if !fd.IsEpoll() {
			continue
		}
		entries, err := p.epollEntries(number)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		sets = append(sets, EpollSet{EpFD: number, Entries: entries})
	}
	slices.SortFunc(sets, func(a, b EpollSet) int { return a.EpFD - b.EpFD })
	return sets, nil
}

func (p *Process) epollEntries(epfd int) ([]EpollEntry, error) {
	name := procPath(p.PID, "fdinfo/"+strconv.Itoa(epfd))
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, p.explain("reading an epoll set", err)
	}
	entries, err := parseEpollInfo(string(text))
	if err != nil {
		return nil, fmt.Errorf("parsing %s: %w", name, err)
	}
	return entries, nil
}

// pollDesc is what is read of a runtime.pollDesc.
type pollDesc struct {
	Addr   uint64
	FD     uint64
	RG, WG uint64 // who waits to read and to write: a g, or a small number
	Self   uint64 // its own address; 0 where the version has no such field
}

// maxPollState is the greatest value of pollDesc.rg and wg that is not a g:
// pdNil, pdReady and pdWait are 0, 1 and 2 (runtime/netpoll.go).
const maxPollState = 2

func decodePollDesc(l *gobinary.LayoutPollDesc, addr uint64, raw []byte) pollDesc {
	return pollDesc{
		Addr: addr,
		FD:   word(raw, l.FD),
		RG:   word(raw, l.RG),
		WG:   word(raw, l.WG),
		Self: word(raw, l.Self),
	}
}

// word is the 8 bytes at an offset of a structure; 0 for a field that this
// version of Go does not have.
func word(raw []byte, offset uint32) uint64 {
	if offset == gobinary.NoField || uint64(offset)+8 > uint64(len(raw)) {
		return 0
	}
	return binary.LittleEndian.Uint64(raw[offset:])
}

// pollDescSize is how much of a pollDesc is read.
func pollDescSize(l *gobinary.LayoutPollDesc) int {
	return sizeUpTo(8, l.FD, l.RG, l.WG, l.Self)
}

// sizeUpTo is the size of a structure up to the end of the last of some fields
// of a width.
func sizeUpTo(width uint32, offsets ...uint32) int {
	end := uint32(0)
	for _, offset := range offsets {
		if offset != gobinary.NoField {
			end = max(end, offset+width)
		}
	}
	return int(end)
}

// netpoller is the epoll set of Go's netpoller, and how to read it.
type netpoller struct {
	EpFD     int // -1 if the program has not used the netpoller yet
	Decoding gobinary.EpollDecoding
	entries  []EpollEntry // without the one that interrupts a poll
}

// isBreak tells whether an entry is the descriptor with which the runtime
// interrupts its own epoll_wait: its data is 0, or the plain address of a
// variable of the runtime.
func (r *reader) isBreak(e EpollEntry) bool {
	for _, addr := range []uint64{r.globals.NetpollEventFD, r.globals.NetpollBreakRd} {
		if addr != 0 && e.Data == addr+r.bias {
			return true
		}
	}
	return e.Data == 0
}

// maxTried bounds the entries of an epoll set on which decodings are tried.
const maxTried = 64

// netpoller finds the epoll set that is Go's own, and how this
// build keeps pollDescs in it: the one under which most pollDescs have the
// descriptor that is registered. It is tried, not taken from the version, and
// programs may have epoll sets of their own.
func (r *reader) netpoller() (*netpoller, error) {
	decodings := r.binary.EpollDecodings()
	if len(decodings) == 0 {
		return nil, fmt.Errorf("finding the netpoller of process %d: how %s keeps pollDescs in an epoll set is not known; use a newer netpolltrace", r.p.PID, r.binary.GoVersion)
	}
	sets, known, err := r.candidates()
	if err != nil {
		return nil, err
	}
	best, bestScore := &netpoller{EpFD: -1, Decoding: decodings[0]}, 0
	for _, set := range sets {
		entries := slices.DeleteFunc(set.Entries, r.isBreak)
		tried := entries[:min(len(entries), maxTried)]
		d, fitting, err := r.bestDecoding(tried, decodings)
		if err != nil {
			return nil, err
		}
		if known && 2*len(fitting) < len(tried) {
			if err := r.refute(set.EpFD, tried, fitting); err != nil {
				return nil, err
			}
		}
		if known || len(fitting) > bestScore {
			best, bestScore = &netpoller{EpFD: set.EpFD, Decoding: d, entries: entries}, len(fitting)
		}
	}
	return best, nil
}

// candidates are the epoll sets that can be the netpoller's, and whether that
// is known and not to be guessed.
func (r *reader) candidates() (sets []EpollSet, known bool, err error) {
	if own, ok := r.epfd(); ok {
		entries, err := r.p.epollEntries(own)
		return []EpollSet{{EpFD: own, Entries: entries}}, true, err
	}
	sets, err = r.p.EpollSets()
	return sets, false, err
}

// refute returns an error if most entries of the netpoller's epoll set do not
// fit their pollDesc. Descriptors come and go between the reading of the set
// and that of the memory, so only those entries count that are still in it.
func (r *reader) refute(epfd int, tried, fitting []EpollEntry) error {
	now, err := r.p.epollEntries(epfd)
	if err != nil {
		return err
	}
	gone := func(e EpollEntry) bool { return !slices.Contains(now, e) }
	tried, fitting = slices.DeleteFunc(slices.Clone(tried), gone), slices.DeleteFunc(fitting, gone)
	if 2*len(fitting) < len(tried) {
		return r.misfit("%d of %d descriptors in the epoll set have a pollDesc of their own", len(fitting), len(tried))
	}
	return nil
}

// bestDecoding is the method of reading an epoll set's entries under which most
// of them agree with their pollDesc, and which do; the first of equals.
func (r *reader) bestDecoding(entries []EpollEntry, decodings []gobinary.EpollDecoding) (best gobinary.EpollDecoding, fitting []EpollEntry, err error) {
	best = decodings[0]
	for _, d := range decodings {
		var fit []EpollEntry
		if err := r.pollDescs(entries, d, func(e EpollEntry, _ pollDesc) { fit = append(fit, e) }); err != nil {
			return best, nil, err
		}
		if len(fit) > len(fitting) {
			best, fitting = d, fit
		}
	}
	return best, fitting, nil
}

// epfd reads runtime.epfd: the netpoller's own epoll descriptor. Its address is
// not found in each executable, and it is 0 or -1 before the netpoller's first use.
func (r *reader) epfd() (int, bool) {
	if r.globals.EpFD == 0 {
		return 0, false
	}
	var raw [4]byte
	if _, err := r.p.ReadAt(raw[:], int64(r.globals.EpFD+r.bias)); err != nil {
		return 0, false
	}
	fd := int32(binary.LittleEndian.Uint32(raw[:]))
	return int(fd), fd > 0
}

// pollDescs reads the pollDescs of an epoll set's entries, and hands those to
// take that belong to their entry.
func (r *reader) pollDescs(entries []EpollEntry, d gobinary.EpollDecoding, take func(EpollEntry, pollDesc)) error {
	l := &r.layout.PollDesc
	size := pollDescSize(l)
	pieces := make([]piece, min(len(entries), maxPieces))
	buf := make([]byte, size*len(pieces))
	for batch := range slices.Chunk(entries, maxPieces) {
		for i, e := range batch {
			pieces[i] = piece{addr: d.PollDesc(e.Data), buf: buf[i*size : (i+1)*size]}
		}
		if err := r.p.readPieces(pieces[:len(batch)]); err != nil {
			return err
		}
		for i, e := range batch {
			if !pieces[i].ok {
				continue
			}
			pd := decodePollDesc(l, pieces[i].addr, pieces[i].buf)
			if pd.FD == uint64(e.FD) && (l.Self == gobinary.NoField || pd.Self == pd.Addr) {
				take(e, pd)
			}
		}
	}
	return nil
}
