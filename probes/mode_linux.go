package probes

import (
	"fmt"
	"slices"
	"strings"

	"github.com/netpolltrace/netpolltrace/bpf"
	"github.com/netpolltrace/netpolltrace/gobinary"
	"github.com/netpolltrace/netpolltrace/wait"
)

// Modes are those that can be asked for; auto is io at present.
var Modes = modeNames()

func modeNames() []wait.Mode {
	names := []wait.Mode{wait.ModeAuto}
	for _, m := range modes {
		names = append(names, m.name)
	}
	return names
}

// mode is how a process is recorded. Everything particular to a mode is here.
type mode struct {
	name   wait.Mode
	number bpf.WaitsMode // by which the kernel side knows it
	// everyPark tells that it sees the end of every wait, not only of those in
	// the netpoller.
	everyPark bool
	// uprobes are in the order in which they are attached: what ends a wait
	// before what begins one, so that no wait is begun whose end would be missed.
	// They are detached in reverse order.
	uprobes []uprobe
	needs   []need // what has to be seen in the kernel
	// unmeasured says by part what the mode cannot see, whatever the program.
	unmeasured map[wait.Part]string
}

// uprobe is a program on places of the target.
type uprobe struct {
	program string
	hits    bpf.WaitsCounter // that count it, for its price
	places  func(*gobinary.Places) []gobinary.Place
	// when tells whether an executable takes it; nil for always.
	when func(*gobinary.Places) bool
	// optional is the part that a recording lacks without the program; empty
	// where there is no recording without it.
	optional wait.Part
	// limited is the part that some waits lack where the function was inlined
	// elsewhere too; empty where other programs see to those calls.
	limited wait.Part
}

var modes = []*mode{
	{
		name: wait.ModeIO, number: bpf.WaitsModeMODE_IO, needs: needs,
		unmeasured: map[wait.Part]string{wait.PartPoller: "only mode all sees who polled"},
		uprobes: []uprobe{
			{program: handoffProgram, hits: bpf.WaitsCounterHITS_HANDOFF, optional: wait.PartHandoffs, limited: wait.PartHandoffs,
				places: at(func(p *gobinary.Places) gobinary.Place { return p.Ready })},
			{program: bpf.WaitsProgIoGoready, hits: bpf.WaitsCounterHITS_GOREADY, limited: wait.PartOutcome,
				places: at(func(p *gobinary.Places) gobinary.Place { return p.NetpollGoready })},
			{program: bpf.WaitsProgIoResume, hits: bpf.WaitsCounterHITS_RESUME,
				places: at(func(p *gobinary.Places) gobinary.Place { return p.IOResume })},
			{program: bpf.WaitsProgIoPark, hits: bpf.WaitsCounterHITS_PARK, when: callsGopark,
				places: at(func(p *gobinary.Places) gobinary.Place { return p.IOPark })},
			{program: bpf.WaitsProgParkM, hits: bpf.WaitsCounterHITS_PARK, when: not(callsGopark),
				places: at(func(p *gobinary.Places) gobinary.Place { return p.ParkM })},
		},
	},
	{
		name: wait.ModeAll, number: bpf.WaitsModeMODE_ALL, everyPark: true, needs: needs,
		uprobes: []uprobe{
			{program: bpf.WaitsProgPollInlined, hits: bpf.WaitsCounterHITS_NETPOLL, optional: wait.PartPoller,
				places: inlinedPolls},
			{program: bpf.WaitsProgAllNetpoll, hits: bpf.WaitsCounterHITS_NETPOLL, optional: wait.PartPoller,
				limited: wait.PartPoller, places: at(calledNetpoll)},
			{program: bpf.WaitsProgAllReady, hits: bpf.WaitsCounterHITS_READY, limited: wait.PartBlocked,
				places: at(func(p *gobinary.Places) gobinary.Place { return p.Ready })},
			{program: bpf.WaitsProgAllExecute, hits: bpf.WaitsCounterHITS_RESUME, limited: wait.PartEnds,
				places: at(func(p *gobinary.Places) gobinary.Place { return p.Execute })},
			{program: bpf.WaitsProgAllPark, hits: bpf.WaitsCounterHITS_PARK, when: parksOnce,
				places: at(func(p *gobinary.Places) gobinary.Place { return p.Park })},
			{program: bpf.WaitsProgParkM, hits: bpf.WaitsCounterHITS_PARK, when: not(parksOnce),
				places: at(func(p *gobinary.Places) gobinary.Place { return p.ParkM })},
		},
	},
}

// Unseen says by part what a mode cannot see, whatever the program and the
// machine.
func Unseen(name wait.Mode) map[wait.Part]string {
	m, err := modeOf(name)
	if err != nil {
		return nil
	}
	return m.unmeasured
}

// modeOf finds the row of a mode.
func modeOf(name wait.Mode) (*mode, error) {
	if name == wait.ModeAuto {
		name = wait.ModeIO
	}
	for _, m := range modes {
		if m.name == name {
			return m, nil
		}
	}
	return nil, fmt.Errorf("there is no mode %q: choose one of %v", name, Modes)
}

// at makes a list of one place.
func at(place func(*gobinary.Places) gobinary.Place) func(*gobinary.Places) []gobinary.Place {
	return func(p *gobinary.Places) []gobinary.Place { return []gobinary.Place{place(p)} }
}

// callsGopark tells whether a wait in the netpoller calls gopark: a profile
// can have it inlined there.
func callsGopark(p *gobinary.Places) bool { return p.IOPark.Found() }

// parksOnce tells whether every park passes gopark's prologue, and once.
func parksOnce(p *gobinary.Places) bool {
	return p.Park.Found() && !p.Park.Repeats && !p.Park.Inlined
}

// calledNetpoll is the place in netpoll. It does not lack the polls that were
// inlined where these have places of their own.
func calledNetpoll(p *gobinary.Places) gobinary.Place {
	place := p.Netpoll
	place.Inlined = place.Inlined && len(p.InlinedPolls) == 0
	return place
}

func inlinedPolls(p *gobinary.Places) []gobinary.Place {
	places := make([]gobinary.Place, len(p.InlinedPolls))
	for i, poll := range p.InlinedPolls {
		places[i] = poll.Place
	}
	return places
}

func not(condition func(*gobinary.Places) bool) func(*gobinary.Places) bool {
	return func(p *gobinary.Places) bool { return !condition(p) }
}

// ModePlace is where a probe of a mode sits in an executable.
type ModePlace struct {
	Program string // of package bpf
	Place   gobinary.Place
	// Optional is the part that a recording lacks without the probe; empty
	// where there is no recording without it.
	Optional wait.Part
	// Limited is the part that some waits lack if Place.Inlined.
	Limited wait.Part
}

// PlacesOf lists the places of a mode's probes in an executable, in the order
// in which they are attached. It is empty for a mode that is none.
func PlacesOf(name wait.Mode, places *gobinary.Places) []ModePlace {
	m, err := modeOf(name)
	if err != nil {
		return nil
	}
	var list []ModePlace
	for _, u := range m.uprobes {
		if u.when != nil && !u.when(places) {
			continue
		}
		for _, place := range u.places(places) {
			list = append(list, ModePlace{Program: u.program, Place: place, Optional: u.optional, Limited: u.limited})
		}
	}
	return list
}

// placesIn lists where the probes of a mode are to be put into an executable,
// and says what a recording will lack; leftOut are optional parts that nobody
// wants, and why. It is an error where there can be none.
func (m *mode) placesIn(places *gobinary.Places, leftOut map[wait.Part]string) (found []ModePlace, unmeasured map[wait.Part]string, err error) {
	unmeasured = make(map[wait.Part]string)
	for part, why := range m.unmeasured {
		unmeasured[part] = why
	}
	for _, p := range PlacesOf(m.name, places) {
		if why, ok := leftOut[p.Optional]; ok {
			unmeasured[p.Optional] = why
			continue
		}
		if !p.Place.Found() && p.Optional != "" {
			unmeasured[p.Optional] = "its place in the executable was not found"
			continue
		}
		if !p.Place.Found() {
			return nil, nil, fmt.Errorf("mode %s cannot record a program built like this (%s): choose another mode, or build it without -pgo",
				m.name, strings.Join(places.Missing, "; "))
		}
		if p.Place.Inlined && p.Limited != "" {
			unmeasured[p.Limited] = p.Place.Func + " is also inlined elsewhere, where it is not seen: build the program without -pgo to measure all"
		}
		found = append(found, p)
	}
	return found, unmeasured, nil
}

// uprobePrograms are the programs of all modes at places of targets, each once.
func uprobePrograms() []string {
	var names []string
	for _, m := range modes {
		for _, u := range m.uprobes {
			if !slices.Contains(names, u.program) {
				names = append(names, u.program)
			}
		}
	}
	return names
}

// uprobeHits are the counters of programs that trap into the kernel from the
// target; kernelHits of those that run in the kernel anyway.
var (
	uprobeHits = countersOfUprobes()
	kernelHits = []bpf.WaitsCounter{
		bpf.WaitsCounterHITS_POLL, bpf.WaitsCounterHITS_READINESS, bpf.WaitsCounterHITS_SEND,
	}
)

func countersOfUprobes() []bpf.WaitsCounter {
	var counters []bpf.WaitsCounter
	for _, m := range modes {
		for _, u := range m.uprobes {
			if !slices.Contains(counters, u.hits) {
				counters = append(counters, u.hits)
			}
		}
	}
	return counters
}
