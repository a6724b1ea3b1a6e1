package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/netpolltrace/netpolltrace/internal/rights"
	"github.com/netpolltrace/netpolltrace/probes"
)

// examineHooks tells, for everything that a recording has to see in the kernel,
// which methods there are here, and which it will take.
func examineHooks(m *machine, requirements []probes.Requirement) Section {
	section := Section{Name: "Hooks"}
	for i := range requirements {
		section.Findings = append(section.Findings, judgeRequirement(m, &requirements[i]))
	}
	return section
}

func judgeRequirement(m *machine, requirement *probes.Requirement) Finding {
	f := Finding{Name: requirement.Name, State: OK}
	chosen := requirement.Chosen()
	switch {
	case chosen < 0 && requirement.Part == "":
		f.State, f.Detail, f.Fix = Fail, "nothing can be recorded without it", m.fixMethods(requirement.Methods)
	case chosen < 0:
		f.State, f.Detail, f.Fix = Warn, requirement.Lacks, m.fixMethods(requirement.Methods)
	case requirement.Methods[chosen].Limitation != "":
		f.State, f.Detail, f.Fix = Warn, requirement.Methods[chosen].Limitation, m.fixMethods(requirement.Methods[:chosen])
	default:
		f.Detail = "by " + requirement.Methods[chosen].Name
	}
	if len(requirement.Methods) == 1 && requirement.Methods[0].Name == requirement.Name {
		f.Detail = "works"
		if chosen < 0 {
			f.Detail = whyNot(&requirement.Methods[0])
		}
		return f
	}
	for i := range requirement.Methods {
		f.Parts = append(f.Parts, judgeMethod(&requirement.Methods[i], i == chosen))
	}
	return f
}

func judgeMethod(method *probes.Method, chosen bool) Finding {
	switch {
	case chosen:
		return Finding{Name: method.Name, State: OK, Detail: "works, and is used"}
	case method.Err == nil:
		return Finding{Name: method.Name, State: OK, Detail: "works"}
	}
	return Finding{Name: method.Name, State: Note, Detail: whyNot(method)}
}

// absent tells whether the kernel simply does not have what was tried. An
// argument that it does not know is invalid to it.
func absent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, ebpf.ErrNotSupported) || errors.Is(err, unix.EINVAL)
}

// whyNot is why a method does not work, in a few words.
func whyNot(method *probes.Method) string {
	switch {
	case rights.Refused(method.Err):
		return refused(method.Err)
	case absent(method.Err):
		return "not in this kernel"
	}
	return strings.TrimPrefix(method.Err.Error(), method.Feature.Name+": ")
}

// fixMethods says how one of some methods that do not work could be had: rights are
// easier to come by than another kernel.
func (m *machine) fixMethods(methods []probes.Method) string {
	if !m.mayUseBPF() {
		return m.fixRefusal()
	}
	for i := range methods {
		if lacks := m.held.Lacks(methods[i].Feature.Rights); lacks != 0 && rights.Refused(methods[i].Err) {
			return lacks.Grant()
		}
	}
	var could []string
	for i := range methods {
		could = append(could, kernelWith(&methods[i].Feature))
	}
	return "boot a kernel with " + strings.Join(could, ", or ")
}

// kernelWith describes the kernels that have a feature.
func kernelWith(feature *probes.Feature) string {
	text := fmt.Sprintf("%s (Linux %s or newer", feature.Name, feature.Since)
	if feature.Config != "" {
		text += ", " + feature.Config + "=y"
	}
	return text + ")"
}
