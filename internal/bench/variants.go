package main

import (
	"fmt"
	"path/filepath"
	"runtime"
	"strconv"
)

// A variant is one method of observing the ping-pong.
type variant struct {
	name string
	what string
	// base is the variant that its throughput is compared with, besides bare:
	// the same places with programs that do nothing.
	base string
	// echoArgs are arguments of the ping-pong itself, given a folder for files.
	echoArgs func(dir string) []string
	// observer is nil when nobody watches.
	observer func(scene) observer
	// needs is a program that has to be installed; empty for none.
	needs string
}

// scene is what an observer needs to know.
type scene struct {
	tool string // path of netpolltrace
	exe  string // path of the ping-pong
	pid  int
	dir  string // for its files; it is empty
}

// An observer is a command that watches a process until it gets SIGINT.
type observer struct {
	command []string
	// readyFile appears when it watches; where it is empty, the command then
	// writes a line "ready" to its standard output.
	readyFile string
	// recording is what it leaves behind, for netpolltrace report; empty if
	// nothing is to be counted.
	recording string
}

// bare is the name of the variant that all others are compared with.
const bare = "bare"

func variants() []variant {
	return []variant{
		{name: bare, what: "nobody watches"},
		{name: "empty-io", what: "empty probes at the places of mode io", observer: emptyProbes("io", false)},
		{name: "io", what: "`record --mode io`", base: "empty-io", observer: record("io")},
		{name: "empty-all", what: "empty probes at the places of mode all", observer: emptyProbes("all", false)},
		{name: "all", what: "`record --mode all`", base: "empty-all", observer: record("all")},
		{name: "naive", what: "empty probes at function entry", observer: emptyProbes("io", true)},
		{name: "runtime-trace", what: "the target traces itself (runtime/trace)", echoArgs: func(dir string) []string {
			return []string{"-trace", filepath.Join(dir, "trace")}
		}},
		{name: "bpftrace", what: "a bpftrace script that sums the waits", observer: bpftrace, needs: "bpftrace"},
	}
}

func record(mode string) func(scene) observer {
	return func(s scene) observer {
		o := observer{readyFile: filepath.Join(s.dir, "ready"), recording: filepath.Join(s.dir, "recording.arrows")}
		o.command = []string{s.tool, "record", "-p", strconv.Itoa(s.pid), "-d", limit.String(), "--mode", mode,
			"-o", o.recording, "--ready-file", o.readyFile}
		return o
	}
}

func emptyProbes(mode string, naive bool) func(scene) observer {
	return func(s scene) observer {
		o := observer{readyFile: filepath.Join(s.dir, "ready")}
		o.command = []string{"/proc/self/exe", emptyCommand, "-p", strconv.Itoa(s.pid), "-mode", mode,
			"-naive=" + strconv.FormatBool(naive), "-ready-file", o.readyFile}
		return o
	}
}

// goRegisters are where Go code has the current goroutine, and the first
// argument of a function.
var goRegisters = map[string][2]string{
	"amd64": {"r14", "ax"},
	"arm64": {"r28", "r0"},
}

// bpftrace is what one would write by hand: when a goroutine comes to wait for
// a descriptor, and when the scheduler runs it again. Probes are attached in
// the order of the script, so the last one says that all are.
func bpftrace(s scene) observer {
	registers := goRegisters[runtime.GOARCH]
	script := fmt.Sprintf(`
uprobe:%[1]s:"runtime.netpollblock" { @parked[reg("%[2]s")] = nsecs; }
uprobe:%[1]s:"runtime.execute" /@parked[reg("%[3]s")]/ {
	@waits = count();
	@ns = sum(nsecs - @parked[reg("%[3]s")]);
	delete(@parked[reg("%[3]s")]);
}
interval:ms:10 /@ready == 0/ { @ready = 1; printf("ready\n"); }
END { clear(@parked); }
`, s.exe, registers[0], registers[1])
	return observer{command: []string{"bpftrace", "-p", strconv.Itoa(s.pid), "-e", script}}
}
