package process

import (
	"fmt"
	"slices"
	"strconv"
)

// misfit is the error of finding something that cannot be.
func (r *reader) misfit(format string, args ...any) error {
	return fmt.Errorf("checking the layout of %s (%s) against process %d: %s; it is not known for this build of Go: use a newer netpolltrace, or build the program without -ldflags=-w, so that its DWARF tells the layout",
		r.binary.GoVersion, r.layout.Source, r.p.PID, fmt.Sprintf(format, args...))
}

// maxStack is the greatest size of a goroutine's stack that is believed. The
// runtime's own limit is 1 GB (runtime.maxstacksize), unless the program sets
// another.
const maxStack = 1 << 34

// maxGoid bounds the goids that are believed: a program that starts a million
// goroutines a second would need 8 years for so many.
const maxGoid = 1 << 48

// plausible tells whether a g that is in use can be one.
func (g *rawG) plausible() bool {
	if g.status > maxStatus || g.goid == 0 || g.goid > maxGoid {
		return false
	}
	if g.stackLo == 0 || g.stackHi <= g.stackLo || g.stackHi-g.stackLo > maxStack {
		return false
	}
	switch g.status {
	case GWaiting, GRunnable, GPreempted, GLeaked:
		return g.stackLo <= g.schedSP && g.schedSP <= g.stackHi
	case GSyscall:
		return g.stackLo <= g.syscallSP && g.syscallSP <= g.stackHi
	}
	return true
}

// check refuses goroutines that cannot be ones. Single reads may be torn, a
// wrong layout makes most of them wrong.
func (r *reader) check(all []Goroutine, implausible int) error {
	if len(all) == 0 || implausible > len(all)/8 {
		return r.misfit("%d of %d goroutines look like none", implausible, implausible+len(all))
	}
	goids := make([]uint64, len(all))
	for i := range all {
		goids[i] = all[i].Goid
	}
	slices.Sort(goids)
	if distinct := len(slices.Compact(goids)); distinct != len(all) {
		return r.misfit("%d goroutines have %d goids", len(all), distinct)
	}
	return r.checkThreads(all)
}

// maxThreadsChecked bounds the threads whose m is looked at.
const maxThreadsChecked = 256

// threadChecks is how often threads are looked at before they are refused: a
// busy program switches between goroutines a million times a second.
const threadChecks = 5

// checkThreads compares the ms of goroutines that have one, because they run
// or are in a system call, with the threads of the process. They come and go,
// so that the many decide.
func (r *reader) checkThreads(all []Goroutine) error {
	var addrs []uint64
	for i := range all {
		if all[i].Status == GRunning || all[i].Status == GSyscall {
			addrs = append(addrs, all[i].Addr)
		}
	}
	addrs = addrs[:min(len(addrs), maxThreadsChecked)]
	if len(addrs) == 0 {
		return nil
	}
	var t threadCount
	for range threadChecks {
		var err error
		if t, err = r.countThreads(addrs); err != nil {
			return err
		}
		if t.all == 0 || 2*t.fitting >= t.all && t.running > 0 {
			return nil
		}
	}
	return r.misfit("of %d threads %d are known to the kernel and run a goroutine that exists, or none; %d run one", t.all, t.fitting, t.running)
}

// threadCount is what was seen of the threads that goroutines say they are on.
type threadCount struct {
	all     int
	fitting int // are threads of the process, and run a goroutine or none
	running int // those of them that run one
}

func (r *reader) countThreads(addrs []uint64) (threadCount, error) {
	gs, err := r.readGs(addrs)
	if err != nil {
		return threadCount{}, err
	}
	gs = slices.DeleteFunc(gs, func(g rawG) bool { return g.m == 0 })
	every, err := r.addresses()
	if err != nil {
		return threadCount{}, err
	}
	known := make(map[uint64]bool, len(every))
	for _, addr := range every {
		known[addr] = true
	}
	tids, err := r.innerTIDs()
	if err != nil {
		return threadCount{}, err
	}
	l := &r.layout.M
	size := sizeUpTo(8, l.ProcID, l.CurG)
	pieces := make([]piece, len(gs))
	for i := range gs {
		pieces[i] = piece{addr: gs[i].m, buf: make([]byte, size)}
	}
	if err := r.p.readPieces(pieces); err != nil {
		return threadCount{}, err
	}
	count := threadCount{all: len(gs)}
	for i := range pieces {
		curg := word(pieces[i].buf, l.CurG)
		if !pieces[i].ok || !tids[word(pieces[i].buf, l.ProcID)] || curg != 0 && !known[curg] {
			continue
		}
		count.fitting++
		if curg != 0 {
			count.running++
		}
	}
	return count, nil
}

// innerTIDs are the IDs of the process's threads as it knows them itself: as
// gettid(2) in its own PID namespace.
func (r *reader) innerTIDs() (map[uint64]bool, error) {
	tids, err := r.p.Threads()
	if err != nil {
		return nil, err
	}
	inner := make(map[uint64]bool, len(tids))
	for _, tid := range tids {
		s, err := readStatus(procPath(r.p.PID, "task/"+strconv.Itoa(tid)+"/status"))
		if err != nil {
			continue // it ended
		}
		if n := len(s.NSPID); n > 0 {
			tid = s.NSPID[n-1]
		}
		inner[uint64(tid)] = true
	}
	return inner, nil
}
