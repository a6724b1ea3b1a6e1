package probes

import (
	"sync"

	"github.com/netpolltrace/netpolltrace/wait"
)

// Requirement is something that a recording has to see, and what came of trying
// each method to see it here.
type Requirement struct {
	Name string
	// Part is what is not measured without it: a key of wait.Meta.Unmeasured.
	// It is empty where nothing can be recorded without it.
	Part wait.Part
	// Lacks is how a report says that Part was not measured.
	Lacks   string
	Methods []Method // the cheapest first
}

// Method is one way to see something.
type Method struct {
	Name    string
	Feature Feature
	Err     error // why it does not work here; nil if it does
	// Limitation says what it does not see of what is required; empty for nothing.
	Limitation string
}

// Chosen is the number of the method that [Choose] takes, if it is not asked for
// a backend: the first that works. It is -1 where none does.
func (r *Requirement) Chosen() int {
	for i := range r.Methods {
		if r.Methods[i].Err == nil {
			return i
		}
	}
	return -1
}

// Survey tries every method to see everything that a recording could see.
func Survey(f *Features) []Requirement {
	var required []Requirement
	for _, feature := range needed {
		required = append(required, Requirement{Name: feature.Name, Methods: []Method{{Name: feature.Name, Feature: feature}}})
	}
	required = append(required, Requirement{Name: "uprobes", Methods: []Method{
		{Name: "uprobe_multi", Feature: featureUprobeMulti},
		{Name: "perf events", Feature: featureUprobe},
	}})
	for _, n := range needs {
		r := Requirement{Name: n.name, Part: n.part, Lacks: n.lacks}
		for _, h := range n.hooks {
			r.Methods = append(r.Methods, Method{Name: h.name, Feature: h.feature, Limitation: h.limitation})
		}
		required = append(required, r)
	}
	f.try(required)
	return required
}

// try fills in what works, all at a time: detaching a probe takes the kernel
// longer than all else.
func (f *Features) try(required []Requirement) {
	var group sync.WaitGroup
	for i := range required {
		for j := range required[i].Methods {
			method := &required[i].Methods[j]
			group.Go(func() { method.Err = f.Have(method.Feature) })
		}
	}
	group.Wait()
}
