package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/netpolltrace/netpolltrace/internal/rights"
	"github.com/netpolltrace/netpolltrace/probes"
	"github.com/netpolltrace/netpolltrace/wait"
)

var (
	errAbsent  = fmt.Errorf("kprobe f: opening: %w", fs.ErrNotExist)
	errRefused = fmt.Errorf("fentry f: load program: %w (MEMLOCK may be too low)", unix.EPERM)
)

func method(name string, err error) probes.Method {
	return probes.Method{Name: name, Err: err, Feature: probes.Feature{Name: name, Since: "6.4", Config: "CONFIG_X"}}
}

func takes(w probes.Method, further rights.Set) probes.Method {
	w.Feature.Rights = further
	return w
}

func TestTheFirstMethodThatWorksIsTaken(t *testing.T) {
	requirement := probes.Requirement{Name: "sends", Part: "idle", Methods: []probes.Method{
		method("fentry f", errRefused), method("kprobe f", errAbsent), method("tracepoint t", nil), method("tracepoint u", nil),
	}}
	f := judgeRequirement(wellMachine(), &requirement)
	wantFinding(t, f, OK, "by tracepoint t", "")
	wantFinding(t, find(t, f.Parts, "fentry f"), Note, "refused: operation not permitted", "")
	wantFinding(t, find(t, f.Parts, "kprobe f"), Note, "not in this kernel", "")
	wantFinding(t, find(t, f.Parts, "tracepoint t"), OK, "works, and is used", "")
	if last := find(t, f.Parts, "tracepoint u"); last.Detail != "works" {
		t.Errorf("a method that is not needed: %s", last.Detail)
	}
}

func TestFixesOfHooks(t *testing.T) {
	ordinary := wellMachine()
	ordinary.held = 0
	nested := wellMachine()
	nested.ofMachine = false
	atKernel := wellMachine()
	atKernel.held = rights.Kernel
	limited := method("tracepoint t", nil)
	limited.Limitation = "pipes are not seen"
	for name, test := range map[string]struct {
		machine     *machine
		requirement probes.Requirement
		state       State
		detail      string
		fix         string
	}{
		"a part is missing": {wellMachine(),
			probes.Requirement{Part: "idle", Lacks: "no hook on sends", Methods: []probes.Method{method("fentry f", errAbsent), method("kprobe f", errAbsent)}},
			Warn, "no hook on sends", "fentry f (Linux 6.4 or newer, CONFIG_X=y), or kprobe f (Linux"},
		"nothing can be recorded": {wellMachine(),
			probes.Requirement{Methods: []probes.Method{method("uprobe_multi", errAbsent), method("perf events", errAbsent)}},
			Fail, "nothing can be recorded without", "boot a kernel with uprobe_multi"},
		"it is seen in part": {wellMachine(),
			probes.Requirement{Part: "network", Methods: []probes.Method{method("fentry f", errAbsent), limited}},
			Warn, "pipes are not seen", "boot a kernel with fentry f (Linux 6.4"},
		"an ordinary user": {ordinary,
			probes.Requirement{Part: "idle", Methods: []probes.Method{method("fentry f", errRefused), method("kprobe f", errRefused)}},
			Warn, "", seeRights},
		"a user namespace": {nested,
			probes.Requirement{Part: "idle", Methods: []probes.Method{method("fentry f", errRefused), method("kprobe f", errRefused)}},
			Warn, "", "outside this user namespace"},
		"a further right": {atKernel,
			probes.Requirement{Methods: []probes.Method{method("uprobe_multi", errAbsent), takes(method("perf events", errRefused), rights.SysAdmin)}},
			Fail, "nothing can be recorded without", "grant CAP_SYS_ADMIN"},
		"a further right that does not help": {atKernel,
			probes.Requirement{Methods: []probes.Method{takes(method("perf events", errAbsent), rights.SysAdmin)}},
			Fail, "", "boot a kernel with perf events"},
		"the only method": {wellMachine(),
			probes.Requirement{Name: "ring buffer", Methods: []probes.Method{method("ring buffer", errAbsent)}},
			Fail, "not in this kernel", "boot a kernel with ring buffer"},
		"another error": {wellMachine(),
			probes.Requirement{Name: "ring buffer", Methods: []probes.Method{method("ring buffer", errors.New("ring buffer: does not fire"))}},
			Fail, "does not fire", "boot a kernel with ring buffer"},
	} {
		t.Run(name, func(t *testing.T) {
			wantFinding(t, judgeRequirement(test.machine, &test.requirement), test.state, test.detail, test.fix)
		})
	}
}

func TestARefusedModeTakesTheRightsOfItsUprobes(t *testing.T) {
	m := wellMachine()
	m.held = rights.Kernel
	requirements := []probes.Requirement{{Name: "uprobes", Methods: []probes.Method{takes(method("perf events", errRefused), rights.SysAdmin)}}}
	f := judgeTrial(m, requirements, &trial{mode: wait.ModeIO, err: errRefused})
	wantFinding(t, f, Fail, "refused", "grant CAP_SYS_ADMIN")
}

// measuredTrial is a trial in which all was measured.
func measuredTrial(mode wait.Mode) *trial {
	t := &trial{mode: mode, seen: &seen{waits: 8, measured: map[string]int{}}}
	for _, part := range parts {
		t.seen.measured[part.name] = 8
	}
	return t
}

func TestAModeThatWorksTellsWhatItMeasuresWith(t *testing.T) {
	requirements := []probes.Requirement{{Part: "netpoll", Methods: []probes.Method{method("fexit f", nil)}}}
	f := judgeTrial(wellMachine(), requirements, measuredTrial(wait.ModeIO))
	wantFinding(t, f, OK, "8 waits", "")
	wantFinding(t, find(t, f.Parts, "netpoll"), OK, "in 8 of them, by fexit f", "")
	wantFinding(t, find(t, f.Parts, "sched"), OK, "by fexit f", "")
	for _, part := range f.Parts {
		if part.Name == "poller" {
			t.Error("mode io tells of pollers, which it does not see")
		}
	}
	find(t, judgeTrial(wellMachine(), requirements, measuredTrial(wait.ModeAll)).Parts, "poller")
}

func TestAPartThatWasNotMeasured(t *testing.T) {
	trial := measuredTrial(wait.ModeIO)
	trial.seen.measured["network"], trial.seen.measured["idle"] = 0, 0
	trial.unmeasured = map[wait.Part]string{"idle": "no hook on sends", "netpoll": "not for pipes"}
	f := judgeTrial(wellMachine(), nil, trial)
	wantFinding(t, find(t, f.Parts, "network"), Warn, "not measured in any", "")
	wantFinding(t, find(t, f.Parts, "idle"), Warn, "not measured: no hook on sends", "")
	wantFinding(t, find(t, f.Parts, "netpoll"), Warn, "not for all descriptors", "")
}

func TestModesThatDoNotWork(t *testing.T) {
	ordinary := wellMachine()
	ordinary.held = 0
	for name, test := range map[string]struct {
		machine *machine
		trial   trial
		state   State
		detail  string
		fix     string
	}{
		"no rights":                     {ordinary, trial{err: errRefused}, Fail, "refused: operation not permitted", seeRights},
		"refused for no known reason":   {wellMachine(), trial{err: errRefused}, Fail, "refused", "ask the administrator"},
		"an error that says what to do": {wellMachine(), trial{err: errors.New("use a newer netpolltrace")}, Fail, "use a newer", ""},
		"no loopback":                   {wellMachine(), trial{seen: &seen{err: errors.New("no such device")}}, Warn, "no such device", "ip link set lo up"},
		"nothing seen":                  {wellMachine(), trial{seen: &seen{}}, Warn, "saw nothing", "report this"},
	} {
		t.Run(name, func(t *testing.T) {
			wantFinding(t, judgeTrial(test.machine, nil, &test.trial), test.state, test.detail, test.fix)
		})
	}
}
