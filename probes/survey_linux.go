package probes

import (
	"slices"
	"sync"

	"github.com/netpolltrace/netpolltrace/bpf"
	"github.com/netpolltrace/netpolltrace/gobinary"
	"github.com/netpolltrace/netpolltrace/wait"
)

// Sight is something that a recording has to see, and what came of trying each
// way to see it here.
type Sight struct {
	Name string
	// Part is what is not measured without it: a key of wait.Meta.Unmeasured.
	// It is empty where nothing can be recorded without it.
	Part wait.Part
	// Lacks is how a report says that Part was not measured.
	Lacks string
	Ways  []Way // the cheapest first
}

// Way is one way to see something.
type Way struct {
	Name    string
	Feature Feature
	Err     error // why it does not work here; nil if it does
	// Partly says what it does not see of what is needed; empty for nothing.
	Partly string
}

// Chosen is the number of the way that [Choose] takes, if it is not asked for
// a backend: the first that works. It is -1 where none does.
func (s *Sight) Chosen() int {
	for i := range s.Ways {
		if s.Ways[i].Err == nil {
			return i
		}
	}
	return -1
}

// Survey tries every way to see everything that a recording could see.
func Survey(f *Features) []Sight {
	var sights []Sight
	for _, feature := range needed {
		sights = append(sights, Sight{Name: feature.Name, Ways: []Way{{Name: feature.Name, Feature: feature}}})
	}
	sights = append(sights, Sight{Name: "uprobes", Ways: []Way{
		{Name: "uprobe_multi", Feature: featureUprobeMulti},
		{Name: "perf events", Feature: featureUprobe},
	}})
	for _, n := range needs {
		sight := Sight{Name: n.name, Part: n.part, Lacks: n.lacks}
		for _, h := range n.hooks {
			sight.Ways = append(sight.Ways, Way{Name: h.name, Feature: h.feature, Partly: h.partly})
		}
		sights = append(sights, sight)
	}
	f.try(sights)
	return sights
}

// try fills in what works, all at a time: detaching a probe takes the kernel
// longer than all else.
func (f *Features) try(sights []Sight) {
	var group sync.WaitGroup
	for i := range sights {
		for j := range sights[i].Ways {
			way := &sights[i].Ways[j]
			group.Go(func() { way.Err = f.Have(way.Feature) })
		}
	}
	group.Wait()
}

// ModePlace is where a probe of a mode sits in an executable.
type ModePlace struct {
	Program string // of package bpf
	Place   gobinary.Place
	// Optional is the part that a recording lacks without the probe; empty
	// where there is no recording without it.
	Optional wait.Part
	// Partly is the part that some waits lack if Place.Inlined.
	Partly wait.Part
}

// PlacesOf lists the places of a mode's probes in an executable, in the order
// in which they are attached.
func PlacesOf(mode wait.Mode, places *gobinary.Places) []ModePlace {
	var list []ModePlace
	if mode == wait.ModeAll {
		for _, poll := range places.InlinedPolls {
			list = append(list, ModePlace{Program: bpf.WaitsProgPollInlined, Place: poll.Place, Optional: wait.PartPoller})
		}
	}
	for _, u := range uprobesOf[mode] {
		if u.when == nil || u.when(places) {
			list = append(list, ModePlace{Program: u.program, Place: u.place(places), Optional: u.optional, Partly: u.partly})
		}
	}
	return list
}

// programsAt lists the programs of some places, each once.
func programsAt(places []ModePlace) []string {
	var names []string
	for _, p := range places {
		if !slices.Contains(names, p.Program) {
			names = append(names, p.Program)
		}
	}
	return names
}
