package gobinary

// What netpolltrace relies on of Go's runtime is listed here and, where it is a
// sequence of instructions, in places.go and globals.go; nowhere else. A new
// release of Go is checked against this list by TestReleases and TestOffsetsOfReleases.

// oldestMinor is the first version with this pclntab, and with arguments in
// registers on amd64 and arm64.
const oldestMinor = 18

// The runtime's functions that are looked at. All are found in every version
// unless it says otherwise. Most are in
// https://github.com/golang/go/blob/go1.26.0/src/runtime/netpoll.go and proc.go there.
const (
	fnGopark         = "runtime.gopark"
	fnParkM          = "runtime.park_m"
	fnReady          = "runtime.ready"
	fnExecute        = "runtime.execute"
	fnNetpoll        = "runtime.netpoll"
	fnNetpollBlock   = "runtime.netpollblock"
	fnNetpollCommit  = "runtime.netpollblockcommit"
	fnNetpollReady   = "runtime.netpollready"
	fnNetpollGoready = "runtime.netpollgoready" // inlined up to Go 1.20
	fnGoready        = "runtime.goready"        // inlined from Go 1.21 on
	fnNetpollBreak   = "runtime.netpollBreak"
	fnPollWait       = "internal/poll.runtime_pollWait"
	fnFindRunnable   = "runtime.findRunnable"
	fnFindRunnable18 = "runtime.findrunnable" // its name in Go 1.18
	fnPollWork       = "runtime.pollWork"
	fnSysmon         = "runtime.sysmon"
	fnStartTheWorld  = "runtime.startTheWorldWithSema"
	fnAllgadd        = "runtime.allgadd"
	fnPreemptall     = "runtime.preemptall"
	fnWaitReason     = "runtime.waitReason.String"
	fnMcall          = "runtime.mcall"
	fnMain           = "runtime.main"
	fnCrosscall2     = "crosscall2"            // with runtime/cgo only
	fnRaceFuncEnter  = "runtime.racefuncenter" // with the race detector only
)

// knownFuncs are looked up together, in one pass over the pclntab.
var knownFuncs = [...]string{
	fnGopark, fnParkM, fnReady, fnExecute, fnNetpoll, fnNetpollBlock, fnNetpollCommit, fnNetpollReady,
	fnNetpollGoready, fnGoready, fnNetpollBreak, fnPollWait, fnFindRunnable,
	fnFindRunnable18, fnPollWork, fnSysmon, fnStartTheWorld, fnAllgadd,
	fnPreemptall, fnWaitReason, fnMcall, fnMain, fnCrosscall2, fnRaceFuncEnter,
}

// netpollers are the functions that call netpoll, with the names under which
// they are reported.
var netpollers = [...]struct{ function, poller string }{
	{fnFindRunnable, findRunnable},
	{fnFindRunnable18, findRunnable},
	{fnPollWork, "pollWork"},
	{fnSysmon, "sysmon"},
	{fnStartTheWorld, "startTheWorld"},
}

// The names of findRunnable's two polls: the first returns at once.
const (
	findRunnable         = "findRunnable"
	findRunnableBlocking = "findRunnable blocking"
)

// field is a field of one of the runtime's structures, read from outside.
type field struct {
	typ  string // the structure, as in DWARF
	path string // the field; sizeField for the structure's size
	// since and until are the first and the last minor version that have it; 0
	// for no bound.
	since, until int
	in           func(*Layout) *uint32
}

const sizeField = "(size)"

// fields is the list of those fields. Offsets of other fields are not kept.
// Where they are declared:
//
//	g, gobuf  https://github.com/golang/go/blob/go1.26.0/src/runtime/runtime2.go (type g, type gobuf)
//	m, p      https://github.com/golang/go/blob/go1.26.0/src/runtime/runtime2.go (type m, type p)
//	pollDesc  https://github.com/golang/go/blob/go1.26.0/src/runtime/netpoll.go (type pollDesc)
var fields = [...]field{
	{"runtime.g", "stack.lo", 0, 0, func(l *Layout) *uint32 { return &l.G.StackLo }},
	{"runtime.g", "stack.hi", 0, 0, func(l *Layout) *uint32 { return &l.G.StackHi }},
	{"runtime.g", "m", 0, 0, func(l *Layout) *uint32 { return &l.G.M }},
	{"runtime.g", "sched.sp", 0, 0, func(l *Layout) *uint32 { return &l.G.SchedSP }},
	{"runtime.g", "sched.pc", 0, 0, func(l *Layout) *uint32 { return &l.G.SchedPC }},
	{"runtime.g", "sched.bp", 0, 0, func(l *Layout) *uint32 { return &l.G.SchedBP }},
	{"runtime.g", "syscallsp", 0, 0, func(l *Layout) *uint32 { return &l.G.SyscallSP }},
	{"runtime.g", "syscallpc", 0, 0, func(l *Layout) *uint32 { return &l.G.SyscallPC }},
	{"runtime.g", "syscallbp", 23, 0, func(l *Layout) *uint32 { return &l.G.SyscallBP }},
	{"runtime.g", "atomicstatus", 0, 0, func(l *Layout) *uint32 { return &l.G.AtomicStatus }},
	{"runtime.g", "goid", 0, 0, func(l *Layout) *uint32 { return &l.G.Goid }},
	{"runtime.g", "waitreason", 0, 0, func(l *Layout) *uint32 { return &l.G.WaitReason }},
	{"runtime.g", "parentGoid", 21, 0, func(l *Layout) *uint32 { return &l.G.ParentGoid }},
	{"runtime.g", "gopc", 0, 0, func(l *Layout) *uint32 { return &l.G.GoPC }},
	{"runtime.g", "startpc", 0, 0, func(l *Layout) *uint32 { return &l.G.StartPC }},
	{"runtime.g", sizeField, 0, 0, func(l *Layout) *uint32 { return &l.G.Size }},

	{"runtime.m", "g0", 0, 0, func(l *Layout) *uint32 { return &l.M.G0 }},
	{"runtime.m", "procid", 0, 0, func(l *Layout) *uint32 { return &l.M.ProcID }},
	{"runtime.m", "curg", 0, 0, func(l *Layout) *uint32 { return &l.M.CurG }},
	{"runtime.m", "p", 0, 0, func(l *Layout) *uint32 { return &l.M.P }},
	{"runtime.m", "id", 0, 0, func(l *Layout) *uint32 { return &l.M.ID }},
	{"runtime.m", "alllink", 0, 0, func(l *Layout) *uint32 { return &l.M.AllLink }},
	{"runtime.m", "waitlock", 0, 0, func(l *Layout) *uint32 { return &l.M.WaitLock }},

	{"runtime.p", "id", 0, 0, func(l *Layout) *uint32 { return &l.P.ID }},
	{"runtime.p", "status", 0, 0, func(l *Layout) *uint32 { return &l.P.Status }},
	{"runtime.p", "m", 0, 0, func(l *Layout) *uint32 { return &l.P.M }},

	{"runtime.pollDesc", "link", 0, 0, func(l *Layout) *uint32 { return &l.PollDesc.Link }},
	{"runtime.pollDesc", "fd", 0, 0, func(l *Layout) *uint32 { return &l.PollDesc.FD }},
	{"runtime.pollDesc", "fdseq", 21, 0, func(l *Layout) *uint32 { return &l.PollDesc.FDSeq }},
	{"runtime.pollDesc", "atomicInfo", 0, 0, func(l *Layout) *uint32 { return &l.PollDesc.AtomicInfo }},
	{"runtime.pollDesc", "rg", 0, 0, func(l *Layout) *uint32 { return &l.PollDesc.RG }},
	{"runtime.pollDesc", "wg", 0, 0, func(l *Layout) *uint32 { return &l.PollDesc.WG }},
	{"runtime.pollDesc", "self", 0, 0, func(l *Layout) *uint32 { return &l.PollDesc.Self }},
	{"runtime.pollDesc", sizeField, 0, 0, func(l *Layout) *uint32 { return &l.PollDesc.Size }},
}

// inVersion tells whether a version has the field.
func (f field) inVersion(v version) bool {
	return v.minor >= f.since && (f.until == 0 || v.minor <= f.until)
}

// decodings are the ways in which the runtime has kept a pollDesc in
// epoll_event.data, newest first, with the first release of each.
// See https://github.com/golang/go/blob/go1.26.0/src/runtime/tagptr_64bit.go
// and netpoll_epoll.go there (netpollopen).
var decodings = [...]struct {
	minor, patch int
	EpollDecoding
}{
	{25, 4, EpollDecoding{Shr: 24, Shl: 9, TagBits: 24}},
	{25, 0, EpollDecoding{Shr: 25, Shl: 9, TagBits: 25}},
	{21, 0, EpollDecoding{Shr: 19, Shl: 3, TagBits: 19}},
	{0, 0, EpollDecoding{}}, // the bare address
}
