package doctor

import (
	"errors"
	"strings"
	"testing"

	"github.com/netpolltrace/netpolltrace/gobinary"
	"github.com/netpolltrace/netpolltrace/process"
)

func place(function string) gobinary.Place {
	return gobinary.Place{Func: function, Offset: 10, Instr: "PUSHQ BP", Emulated: true}
}

// wellSubject is a process of which all is known.
func wellSubject() *subject {
	return &subject{
		pid: 7, name: "api", exe: "/srv/api", uid: 1000, own: true, threads: 5, innerPIDs: []int{7}, cpus: 4,
		binary: &gobinary.Binary{GoVersion: "go1.26.8", Arch: "amd64", PIE: true, Stripped: true},
		layout: &gobinary.Layout{Source: "table go1.26.0 to go1.26.11"},
		places: &gobinary.Places{
			IOPark: place("runtime.netpollblock"), IOResume: place("runtime.netpollblock"),
			NetpollGoready: place("runtime.netpollgoready"), Park: place("runtime.gopark"),
			Ready: place("runtime.ready"), Execute: place("runtime.execute"), Netpoll: place("runtime.netpoll"),
			NetpollCalls: []gobinary.NetpollCall{{Poller: "sysmon"}},
		},
		globals: gobinary.Globals{AllGs: 1, AllP: 2, EpFD: 3, NetpollEventFD: 4, WaitReasonStrings: 5},
		tls:     gobinary.TLS{Register: gobinary.R14, InMemory: true, Offset: -8},
		reasons: make([]string, 47),
		snapshot: &process.Snapshot{
			Goroutines: make([]process.Goroutine, 46), EpFD: 4, GOMAXPROCS: 4,
			Decoding: gobinary.EpollDecoding{Shr: 24, Shl: 9, TagBits: 24},
		},
		trials: []trial{{mode: "io"}, {mode: "all"}},
	}
}

func TestAProcessOfWhichAllIsKnown(t *testing.T) {
	section := examineSubject(wellMachine(), nil, wellSubject())
	for _, f := range section.Findings {
		if f.State != OK || f.Fix != "" {
			t.Errorf("%s: %s, %s, fix %q", f.Name, f.State, f.Detail, f.Fix)
		}
	}
	for name, detail := range map[string]string{
		"process":                       "7 api, 5 threads",
		"user":                          "uid 1000, as you",
		"Go":                            "go1.26.8 amd64, position-independent, stripped",
		"layout of the runtime":         "table go1.26.0 to go1.26.11",
		"variables of the runtime":      "5 of 5",
		"current goroutine of a thread": "in R14, and at -8",
		"reasons for waiting":           "47",
		"goroutines":                    "46, GOMAXPROCS 4",
		"who polls the network":         "sysmon",
		"mode io":                       "attached and detached",
	} {
		wantFinding(t, find(t, section.Findings, name), OK, detail, "")
	}
	park := find(t, find(t, section.Findings, "places of mode all").Parts, "all park")
	wantFinding(t, park, OK, "runtime.gopark+0xa  PUSHQ BP", "")
}

func TestFixesOfAProcess(t *testing.T) {
	for name, test := range map[string]struct {
		ail    func(*subject)
		check  string
		state  State
		detail string
		fix    string
	}{
		"not all is known": {func(s *subject) { s.factsErr = errors.New("listing the threads: gone") },
			"process", Warn, "gone", ""},
		"another user's": {func(s *subject) { s.own = false },
			"user", Note, "not you", ""},
		"in a container": {func(s *subject) { s.innerPIDs, s.otherRoot = []int{7, 1}, true },
			"namespaces", OK, "with PID 1 and its own root directory", ""},
		"more processors than CPUs": {func(s *subject) { s.quota = 1.5 },
			"CPUs", Warn, "GOMAXPROCS is 4", "GOMAXPROCS=2"},
		"as many processors as CPUs": {func(s *subject) { s.quota = 4 },
			"CPUs", OK, "limited to 4 CPUs", ""},
		"a replaced executable": {func(s *subject) { s.deleted = true },
			"executable", Note, "replaced", ""},
		"no Go program": {func(s *subject) { s.binary, s.binaryErr = nil, gobinary.ErrNotGo },
			"executable", Fail, "not a Go executable", ""},
		"an unknown layout": {func(s *subject) {
			s.layoutErr = errors.New("the offsets of go1.99.0 are not known; use a newer netpolltrace")
		},
			"layout of the runtime", Fail, "go1.99.0", ""},
		"a neighbour's layout": {func(s *subject) {
			s.layout.Guess, s.layout.Source = true, "table go1.26.0 to go1.26.11, a guess for go1.26.99"
		},
			"layout of the runtime", Warn, "go1.26.99", "newer netpolltrace"},
		"no goroutines to be found": {func(s *subject) { s.globals.AllGs = 0 },
			"variables of the runtime", Warn, "4 of 5", "without -ldflags=-s"},
		"no epoll descriptor to be found": {func(s *subject) { s.globals.EpFD = 0 },
			"variables of the runtime", OK, "4 of 5", ""},
		"g is nowhere": {func(s *subject) { s.tlsErr = errors.New("mcall stores it at no constant offset") },
			"current goroutine of a thread", Note, "no mode needs it", ""},
		"no reasons": {func(s *subject) { s.reasonsErr = errors.New("was not found") },
			"reasons for waiting", Fail, "not found", ""},
		"no places at all": {func(s *subject) { s.places, s.placesErr = nil, errors.New("finding probe places of go1.99.0") },
			"places of mode io", Fail, "go1.99.0", "newer netpolltrace"},
		"a place is missing": {func(s *subject) { s.places.Park = gobinary.Place{} },
			"places of mode all", Fail, "not as expected", "newer netpolltrace"},
		"an optional place is missing": {func(s *subject) { s.places.Netpoll = gobinary.Place{} },
			"places of mode all", Warn, "not as expected", ""},
		"an expensive place": {func(s *subject) { s.places.IOPark.Emulated = false },
			"places of mode io", Warn, "not as expected", ""},
		"a place that some calls do not pass": {func(s *subject) { s.places.Ready.Inlined = true },
			"places of mode all", OK, "all found", ""},
		"nobody polls": {func(s *subject) { s.places.NetpollCalls = nil },
			"who polls the network", Warn, "does not tell who polled", "newer netpolltrace"},
		"inlined functions": {func(s *subject) { s.places.Missing = []string{"runtime.ready is inlined into runtime.x"} },
			"not seen", Warn, "kinds of calls: 1", "-pgo=off"},
		"goroutines that are none": {func(s *subject) {
			s.snapshot, s.snapshotErr = nil, errors.New("checking the layout: 5 of 6 look like none")
		},
			"goroutines", Fail, "look like none", ""},
		"a mode does not work": {func(s *subject) { s.trials[0].err = errors.New("attaching: no room; give more") },
			"mode io", Fail, "give more", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := wellSubject()
			test.ail(s)
			wantFinding(t, find(t, examineSubject(wellMachine(), nil, s).Findings, test.check), test.state, test.detail, test.fix)
		})
	}
}

func TestAProcessThatHasNotUsedTheNetpoller(t *testing.T) {
	s := wellSubject()
	s.snapshot.EpFD = -1
	goroutines := find(t, examineSubject(wellMachine(), nil, s).Findings, "goroutines")
	wantFinding(t, find(t, goroutines.Parts, "epoll set"), Note, "not used the netpoller yet", "")
}

func TestOnlyModesWithoutAnErrorCanBeRecorded(t *testing.T) {
	list := recordable([]trial{{mode: "io"}, {mode: "all", err: errors.New("no")}})
	if strings.Join(list, ",") != "io" {
		t.Errorf("recordable: %v", list)
	}
	if recordable(nil) == nil {
		t.Error("no modes are null in JSON, not an empty list")
	}
}
