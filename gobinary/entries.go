package gobinary

// Entry is a function that is probed at its entry, by its name. Its arguments
// are then in AX, BX, CX | R0, R1, R2 (amd64 | arm64), and the current g is in
// R14 | R28. The return address is the word that the stack pointer points at, or
// in X30.
type Entry struct {
	Func string // empty: it is not in the executable
	Addr uint64
	// Inlined lists the functions that it was inlined into: those calls do not
	// pass the entry.
	Inlined []string
}

// Entries holds the functions that are probed by name: by DTrace, whose probes
// have no need of instructions that a kernel emulates. In the comments: the
// arguments, in their order.
type Entries struct {
	// ParkM is park_m, once for each park of a goroutine, on the thread's own
	// stack: g. g.sched is where the goroutine stopped, m.waitlock gopark's lock.
	ParkM Entry
	// Commit is netpollblockcommit, once for each park in the netpoller, as
	// ParkM: g, &pollDesc.rg or &pollDesc.wg.
	Commit Entry
	// NetpollReady is netpollready, where the netpoller has an event for a
	// descriptor: the list of goroutines to run, pollDesc, mode ('r', 'w' or their
	// sum).
	NetpollReady Entry
	// Goready is netpollgoready, where a deadline or a close ends a wait in the
	// netpoller, on the stack of who does it; goready in its stead up to Go 1.20,
	// whose other callers pass it too: g, traceskip.
	Goready Entry
	// GoreadyExpired is the traceskip at Goready where a timer ended the wait.
	GoreadyExpired int
	// Ready is ready, where one goroutine makes another runnable, on the thread's
	// own stack: g, traceskip.
	Ready Entry
	// ReadyExpired is the traceskip at Ready where a timer ended a wait in the
	// netpoller.
	ReadyExpired int
	// Execute is execute, each time that a goroutine is about to run: g.
	Execute Entry
}

// Entries finds those functions.
func (b *Binary) Entries() Entries {
	goready, expired := fnNetpollGoready, expiredSkip
	if !b.has(goready) {
		goready, expired = fnGoready, expiredSkip+1
	}
	names := []string{fnParkM, fnNetpollCommit, fnNetpollReady, goready, fnReady, fnExecute}
	inlined := b.inlinedInto(names...)
	entry := func(name string) Entry {
		f, ok := b.known()[name]
		if !ok {
			return Entry{}
		}
		return Entry{Func: f.Name, Addr: f.Entry, Inlined: inlined[name]}
	}
	return Entries{
		ParkM: entry(fnParkM), Commit: entry(fnNetpollCommit), NetpollReady: entry(fnNetpollReady),
		Goready: entry(goready), GoreadyExpired: expired,
		Ready: entry(fnReady), ReadyExpired: expiredSkip + 1, Execute: entry(fnExecute),
	}
}

// expiredSkip is the traceskip with which netpolldeadlineimpl calls
// netpollgoready; netpollgoready and goready pass one more on. See
// https://github.com/golang/go/blob/go1.26.0/src/runtime/netpoll.go.
const expiredSkip = 0
