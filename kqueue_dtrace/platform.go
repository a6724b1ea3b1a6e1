package dtrace

import "github.com/netpolltrace/netpolltrace/gobinary"

// platform is what scripts for a system differ in.
type platform struct {
	// eventSize is the size of an event that the program takes from the kernel,
	// eventData where in it what the runtime registered is.
	eventSize, eventData func(*gobinary.Binary) int
	// unverified says what has not been tried; empty if all was.
	unverified string
	procExit   bool   // dtrace -p does not end by itself when the process does
	accept     string // the system calls that accept a connection
	// notes are said at the top of a script.
	notes []string
}

// platforms are the systems that a script can be for, by GOOS. That of Linux is
// for the tests: there scripts run for real.
var platforms = map[string]platform{
	"darwin": {
		unverified: "unverified on this system",
		eventSize:  always(32), eventData: always(24),
		procExit: true,
		accept:   "accept",
		notes: []string{
			"No script of netpolltrace has run on a Mac yet.",
			"System Integrity Protection keeps DTrace from most programs: see docs/compatibility.md.",
		},
	},
	"freebsd": {
		unverified: "unverified on this system",
		eventSize:  func(b *gobinary.Binary) int { return map[bool]int{true: 32, false: 64}[b.GoBefore(20)] },
		eventData:  always(24),
		procExit:   true,
		accept:     "accept4",
		notes: []string{
			"No script of netpolltrace has run on FreeBSD yet.",
			"It takes kldload dtraceall.",
		},
	},
	"linux": {
		// struct epoll_event is packed on amd64.
		eventSize: func(b *gobinary.Binary) int { return map[bool]int{true: 12, false: 16}[b.Arch == "amd64"] },
		eventData: func(b *gobinary.Binary) int { return map[bool]int{true: 4, false: 8}[b.Arch == "amd64"] },
		accept:    "accept4",
		notes:     []string{"Linux is recorded by netpolltrace record; this is how the scripts are tested."},
	},
}

func always(n int) func(*gobinary.Binary) int { return func(*gobinary.Binary) int { return n } }

// registers are DTrace's names of the registers that scripts read, by GOARCH.
type registers struct {
	A0, A1, A2 string // a function's first arguments
	RegG       string // the current g
	FP         string // the frame pointer
	PC         string
	// Return is the return address at a function's entry.
	Return string
}

var registersOf = map[string]registers{
	"amd64": {"R_RAX", "R_RBX", "R_RCX", "R_R14", "R_RBP", "R_RIP", "*(uint64_t *)copyin((uint64_t)uregs[R_RSP], 8)"},
	"arm64": {"R_X0", "R_X1", "R_X2", "R_X28", "R_FP", "R_PC", "(uint64_t)uregs[R_LR]"},
}
