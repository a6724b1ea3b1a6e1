package wait

import "time"

// Meta is what a recording says once, about all of its waits.
type Meta struct {
	Target Target
	Host   string // the machine's name
	Kernel string // release, as uname -r prints it
	Arch   string // as Go names it: amd64, arm64
	Tool   string // version of netpolltrace
	Mode   string // light, io, all, sample, import
	// Probes is the plan that was chosen: one line a probe, saying what is
	// measured with it and why this one.
	Probes []string
	// Started is when the recording began.
	Started time.Time
	// ClockBase is the monotonic clock (CLOCK_MONOTONIC, nanoseconds) at
	// Started: it relates the recording to other traces of the same boot.
	ClockBase int64
	// Unmeasured tells, by the name of a part (network, netpoll, sched, idle,
	// poller, ...), why this recording does not have it or only for some waits.
	Unmeasured map[string]string
	// Redacted is set when addresses were replaced.
	Redacted bool
}

// Target is the program that was recorded.
type Target struct {
	Exe        string   // path of the executable, as the target sees it
	PID        int      // in the PID namespace of the tracer
	Go         string   // version, as runtime.Version prints it: go1.26.8
	BuildID    string   // Go's build ID; empty when it was stripped
	GOMAXPROCS int      // 0 when not known
	Args       []string // only when it was asked for
}
