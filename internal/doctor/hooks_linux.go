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
// which ways there are here, and which it will take.
func examineHooks(m *machine, sights []probes.Sight) Section {
	section := Section{Name: "Hooks"}
	for i := range sights {
		section.Findings = append(section.Findings, judgeSight(m, &sights[i]))
	}
	return section
}

func judgeSight(m *machine, sight *probes.Sight) Finding {
	f := Finding{Name: sight.Name, State: OK}
	chosen := sight.Chosen()
	switch {
	case chosen < 0 && sight.Part == "":
		f.State, f.Detail, f.Fix = Fail, "nothing can be recorded without it", m.fixWays(sight.Ways)
	case chosen < 0:
		f.State, f.Detail, f.Fix = Warn, sight.Lacks, m.fixWays(sight.Ways)
	case sight.Ways[chosen].Partly != "":
		f.State, f.Detail, f.Fix = Warn, sight.Ways[chosen].Partly, m.fixWays(sight.Ways[:chosen])
	default:
		f.Detail = "by " + sight.Ways[chosen].Name
	}
	if len(sight.Ways) == 1 && sight.Ways[0].Name == sight.Name {
		f.Detail = "works"
		if chosen < 0 {
			f.Detail = whyNot(&sight.Ways[0])
		}
		return f
	}
	for i := range sight.Ways {
		f.Parts = append(f.Parts, judgeWay(&sight.Ways[i], i == chosen))
	}
	return f
}

func judgeWay(way *probes.Way, chosen bool) Finding {
	switch {
	case chosen:
		return Finding{Name: way.Name, State: OK, Detail: "works, and is used"}
	case way.Err == nil:
		return Finding{Name: way.Name, State: OK, Detail: "works"}
	}
	return Finding{Name: way.Name, State: Note, Detail: whyNot(way)}
}

// absent tells whether the kernel simply does not have what was tried. An
// argument that it does not know is invalid to it.
func absent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, ebpf.ErrNotSupported) || errors.Is(err, unix.EINVAL)
}

// whyNot is why a way does not work, in a few words.
func whyNot(way *probes.Way) string {
	switch {
	case rights.Refused(way.Err):
		return refused(way.Err)
	case absent(way.Err):
		return "not in this kernel"
	}
	return strings.TrimPrefix(way.Err.Error(), way.Feature.Name+": ")
}

// fixWays says how one of some ways that do not work could be had: rights are
// easier to come by than another kernel.
func (m *machine) fixWays(ways []probes.Way) string {
	if !m.mayUseBPF() {
		return m.fixRefusal()
	}
	for i := range ways {
		if lacks := m.held.Lacks(ways[i].Feature.Rights); lacks != 0 && rights.Refused(ways[i].Err) {
			return lacks.Grant()
		}
	}
	var could []string
	for i := range ways {
		could = append(could, kernelWith(&ways[i].Feature))
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
