package doctor

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/netpolltrace/netpolltrace/gobinary"
	"github.com/netpolltrace/netpolltrace/probes"
	"github.com/netpolltrace/netpolltrace/wait"
)

// subjectCheck judges one thing about a process. The name of what it returns is
// filled in.
type subjectCheck struct {
	name string
	run  func(*subject) Finding
}

// aroundChecks are about the process, runtimeChecks about the Go program in it.
var (
	aroundChecks = []subjectCheck{
		{"process", checkProcess},
		{"user", checkOwner},
		{"namespaces", checkNamespaces},
		{"CPUs", checkCPUs},
		{"executable", checkExecutable},
	}
	runtimeChecks = slices.Concat([]subjectCheck{
		{"Go", checkGo},
		{"layout of the runtime", checkLayout},
		{"variables of the runtime", checkGlobals},
		{"current goroutine of a thread", checkTLS},
		{"reasons for waiting", checkReasons},
	}, placeChecks(), []subjectCheck{
		{"who polls the network", checkPollers},
		{"not seen", checkMissing},
		{"goroutines", checkSnapshot},
	})
)

// placeChecks are one for each mode.
func placeChecks() []subjectCheck {
	var checks []subjectCheck
	for _, mode := range modes {
		checks = append(checks, subjectCheck{"places of mode " + string(mode), checkPlaces(mode)})
	}
	return checks
}

func examineSubject(m *machine, requirements []probes.Requirement, s *subject) Section {
	section := Section{Name: "Process"}
	checks := aroundChecks
	if s.binary != nil {
		checks = append(checks[:len(checks):len(checks)], runtimeChecks...)
	}
	for _, check := range checks {
		finding := check.run(s)
		finding.Name = check.name
		section.Findings = append(section.Findings, finding)
	}
	for i := range s.trials {
		finding := judgeTrial(m, requirements, &s.trials[i])
		finding.Name = "mode " + finding.Name
		section.Findings = append(section.Findings, finding)
	}
	return section
}

func checkProcess(s *subject) Finding {
	f := Finding{State: OK, Detail: fmt.Sprintf("%d %s, %d threads", s.pid, s.name, s.threads)}
	if s.factsErr != nil {
		f.State, f.Detail = Warn, f.Detail+"; some facts are missing: "+s.factsErr.Error()
	}
	return f
}

func checkOwner(s *subject) Finding {
	if s.own {
		return Finding{State: OK, Detail: fmt.Sprintf("uid %d, as you", s.uid)}
	}
	return Finding{State: Note, Detail: fmt.Sprintf("uid %d, not you", s.uid)}
}

func checkNamespaces(s *subject) Finding {
	var words []string
	if n := len(s.innerPIDs); n > 1 {
		words = append(words, fmt.Sprintf("its own PID namespace, with PID %d", s.innerPIDs[n-1]))
	}
	if s.otherRoot {
		words = append(words, "its own root directory")
	}
	if len(words) == 0 {
		return Finding{State: OK, Detail: "yours"}
	}
	return Finding{State: OK, Detail: strings.Join(words, " and ") + " (a container)"}
}

func checkCPUs(s *subject) Finding {
	f := Finding{State: OK, Detail: fmt.Sprintf("may run on %d", s.cpus)}
	if s.quota == 0 {
		f.Detail += ", no cgroup limit"
		return f
	}
	f.Detail += fmt.Sprintf(", limited to %.3g CPUs by cgroups", s.quota)
	enough := math.Ceil(s.quota)
	if s.snapshot != nil && float64(s.snapshot.GOMAXPROCS) > enough {
		f.State = Warn
		f.Detail += fmt.Sprintf("; GOMAXPROCS is %d, so it may be throttled", s.snapshot.GOMAXPROCS)
		f.Fix = fmt.Sprintf("start it with GOMAXPROCS=%.0f, or raise the limit", enough)
	}
	return f
}

func checkExecutable(s *subject) Finding {
	f := Finding{State: OK, Detail: s.exe}
	if s.deleted {
		f.State, f.Detail = Note, s.exe+": deleted or replaced since the start; the running file is read"
	}
	if s.binaryErr != nil {
		f.State, f.Detail = Fail, s.binaryErr.Error()
	}
	return f
}

// traits are how an executable was built.
var traits = []struct {
	name string
	has  func(*gobinary.Binary) bool
}{
	{"position-independent", func(b *gobinary.Binary) bool { return b.PIE }},
	{"cgo", func(b *gobinary.Binary) bool { return b.Cgo }},
	{"race detector", func(b *gobinary.Binary) bool { return b.Race }},
	{"stripped", func(b *gobinary.Binary) bool { return b.Stripped }},
	{"DWARF", func(b *gobinary.Binary) bool { return b.HasDWARF }},
}

func checkGo(s *subject) Finding {
	detail := []string{s.binary.GoVersion + " " + s.binary.Arch}
	for _, trait := range traits {
		if trait.has(s.binary) {
			detail = append(detail, trait.name)
		}
	}
	return Finding{State: OK, Detail: strings.Join(detail, ", ")}
}

func checkLayout(s *subject) Finding {
	switch {
	case s.layoutErr != nil:
		return Finding{State: Fail, Detail: s.layoutErr.Error()}
	case s.layout.Guess:
		return Finding{State: Warn, Detail: s.layout.Source, Fix: "use a newer netpolltrace, or build the program without -ldflags=-w"}
	}
	return Finding{State: OK, Detail: s.layout.Source}
}

// variables are those of the runtime, with what is missing without them.
var variables = []struct {
	name    string
	of      func(*gobinary.Globals) uint64
	without string
	state   State
}{
	{"runtime.allgs", func(g *gobinary.Globals) uint64 { return g.AllGs }, "no goroutines can be listed", Fail},
	{"runtime.allp", func(g *gobinary.Globals) uint64 { return g.AllP }, "processors have no numbers, GOMAXPROCS is not known", Warn},
	{"runtime.epfd", func(g *gobinary.Globals) uint64 { return g.EpFD }, "the netpoller's epoll set is guessed", Note},
	{"runtime.netpollEventFd or netpollBreakRd", func(g *gobinary.Globals) uint64 { return g.NetpollEventFD | g.NetpollBreakRd },
		"the descriptor that interrupts a poll is recognised by its data", Note},
	{"runtime.waitReasonStrings", func(g *gobinary.Globals) uint64 { return g.WaitReasonStrings }, "reasons have no names", Fail},
}

func checkGlobals(s *subject) Finding {
	f := Finding{State: OK}
	found := 0
	for _, v := range variables {
		if addr := v.of(&s.globals); addr != 0 {
			found++
			f.Parts = append(f.Parts, Finding{Name: v.name, State: OK, Detail: fmt.Sprintf("at %#x", addr)})
			continue
		}
		f.Parts = append(f.Parts, Finding{Name: v.name, State: v.state, Detail: "not found: " + v.without})
		if v.state != Note {
			f.State, f.Fix = Warn, "build the program without -ldflags=-s"
		}
	}
	f.Detail = fmt.Sprintf("%d of %d found", found, len(variables))
	return f
}

func checkTLS(s *subject) Finding {
	switch {
	case s.tlsErr != nil:
		return Finding{State: Note, Detail: s.tlsErr.Error() + "; no mode needs it"}
	case s.tls.InMemory:
		return Finding{State: OK, Detail: fmt.Sprintf("in %v, and at %+d from the thread pointer", s.tls.Register, s.tls.Offset)}
	}
	return Finding{State: OK, Detail: fmt.Sprintf("in %v", s.tls.Register)}
}

func checkReasons(s *subject) Finding {
	if s.reasonsErr != nil {
		return Finding{State: Fail, Detail: s.reasonsErr.Error()}
	}
	return Finding{State: OK, Detail: fmt.Sprintf("%d", len(s.reasons))}
}

// checkPlaces judges the places of a mode's probes.
func checkPlaces(mode wait.Mode) func(*subject) Finding {
	return func(s *subject) Finding {
		if s.placesErr != nil {
			return Finding{State: Fail, Detail: s.placesErr.Error(), Fix: unknownCode}
		}
		f := Finding{State: OK, Detail: "all found, on instructions that the kernel emulates"}
		for _, p := range probes.PlacesOf(mode, s.places) {
			part := judgePlace(p)
			f.Parts = append(f.Parts, part)
			if part.State != Note && worse(part.State, f.State) {
				f.State, f.Detail = part.State, "some are not as expected"
			}
		}
		if f.State == Fail {
			f.Fix = unknownCode
		}
		return f
	}
}

const unknownCode = "use a newer netpolltrace; if it is the newest, report the program's Go version and architecture"

func judgePlace(p probes.ModePlace) Finding {
	name := strings.ReplaceAll(p.Program, "_", " ")
	detail := fmt.Sprintf("%s+%#x  %s", p.Place.Func, p.Place.Offset, p.Place.Instr)
	switch {
	case !p.Place.Found() && p.Optional != "":
		return Finding{Name: name, State: Warn, Detail: "not found: no " + string(p.Optional)}
	case !p.Place.Found():
		return Finding{Name: name, State: Fail, Detail: "not found"}
	case !p.Place.Emulated:
		return Finding{Name: name, State: Warn, Detail: detail + "  (expensive: the kernel single-steps a copy, two traps a hit)"}
	case p.Place.Inlined:
		return Finding{Name: name, State: Note, Detail: detail + "  (also inlined elsewhere: see \"not seen\")"}
	}
	return Finding{Name: name, State: OK, Detail: detail}
}

// worse tells whether a state is worse than another.
func worse(a, b State) bool {
	rank := map[State]int{OK: 0, Note: 1, Warn: 2, Fail: 3}
	return rank[a] > rank[b]
}

func checkPollers(s *subject) Finding {
	if s.places == nil {
		return Finding{State: Note, Detail: "not known"}
	}
	var names []string
	for _, call := range s.places.NetpollCalls {
		names = append(names, call.Poller)
	}
	if len(names) == 0 {
		return Finding{State: Warn, Detail: "no call of netpoll found: mode all does not tell who polled", Fix: unknownCode}
	}
	return Finding{State: OK, Detail: strings.Join(names, ", ")}
}

func checkMissing(s *subject) Finding {
	if s.places == nil || len(s.places.Missing) == 0 {
		return Finding{State: OK, Detail: "nothing known"}
	}
	f := Finding{State: Warn, Detail: fmt.Sprintf("kinds of calls: %d", len(s.places.Missing)),
		Fix: "build the program without a profile (-pgo=off), if this matters to you"}
	for _, missing := range s.places.Missing {
		f.Parts = append(f.Parts, Finding{State: Note, Detail: missing})
	}
	return f
}

func checkSnapshot(s *subject) Finding {
	if s.snapshotErr != nil {
		return Finding{State: Fail, Detail: s.snapshotErr.Error()}
	}
	snapshot := s.snapshot
	f := Finding{State: OK, Detail: fmt.Sprintf("%d, GOMAXPROCS %d", len(snapshot.Goroutines), snapshot.GOMAXPROCS)}
	if snapshot.EpFD < 0 {
		f.Parts = []Finding{{Name: "epoll set", State: Note, Detail: "none: the program has not used the netpoller yet"}}
		return f
	}
	f.Parts = []Finding{
		{Name: "epoll set", State: OK, Detail: fmt.Sprintf("fd %d", snapshot.EpFD)},
		{Name: "epoll data", State: OK, Detail: describeDecoding(snapshot.Decoding)},
	}
	return f
}

func describeDecoding(d gobinary.EpollDecoding) string {
	if d.Shr == 0 {
		return "the address of the pollDesc"
	}
	return fmt.Sprintf("pollDesc = data >> %d << %d", d.Shr, d.Shl)
}
