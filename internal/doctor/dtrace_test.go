package doctor

import (
	"errors"
	"strings"
	"testing"

	"github.com/netpolltrace/netpolltrace/wait"
)

func TestWhatDTraceTakesIsSaid(t *testing.T) {
	good := dtraceFacts{system: "darwin", arch: "arm64", path: "/usr/sbin/dtrace", protection: "System Integrity Protection status: disabled."}
	with := func(change func(*dtraceFacts)) *dtraceFacts {
		f := good
		change(&f)
		return &f
	}
	subject := func(scripts ...dtraceScript) *dtraceSubject {
		return &dtraceSubject{pid: 7, name: "api", exe: "/bin/api", goVersion: "go1.26.8", arch: "arm64", scripts: scripts}
	}
	both := []dtraceScript{{mode: wait.ModeIO}, {mode: wait.ModeAll}}
	foreign := subject(both...)
	foreign.arch = "amd64"
	for name, c := range map[string]struct {
		facts   *dtraceFacts
		subject *dtraceSubject
		open    error
		says    string // in the text
		modes   int    // that can be recorded
	}{
		"all is well":       {facts: &good, says: "io, mode all.", modes: 2},
		"of a process":      {facts: &good, subject: subject(both...), says: "dtrace finds all probes", modes: 2},
		"not root":          {facts: with(func(f *dtraceFacts) { f.uid = 501 }), says: "fix: run netpolltrace with sudo"},
		"no dtrace":         {facts: with(func(f *dtraceFacts) { f.path = "" }), says: "not found in PATH"},
		"protected":         {facts: with(func(f *dtraceFacts) { f.protection = "System Integrity Protection status: enabled." }), says: "csrutil enable --without dtrace", modes: 2},
		"refused":           {facts: with(func(f *dtraceFacts) { f.trial = "dtrace: invalid user access" }), says: "csrutil disable"},
		"no modules":        {facts: with(func(f *dtraceFacts) { f.system, f.trial = "freebsd", "DTrace device not available on system" }), says: "kldload dtraceall"},
		"no process":        {facts: &good, open: errors.New("no process 9"), says: "no process 9"},
		"unreadable":        {facts: &good, subject: &dtraceSubject{exe: "/bin/api", unread: errors.New("is no Go program")}, says: "/bin/api: is no Go program"},
		"another processor": {facts: &good, subject: foreign, says: "build the program for arm64", modes: 2},
		"one mode": {
			facts: &good, subject: subject(dtraceScript{mode: wait.ModeIO}, dtraceScript{mode: wait.ModeAll, err: errors.New("runtime.ready is inlined")}),
			says: "runtime.ready is inlined", modes: 1,
		},
		"not signed": {
			facts: &good, subject: subject(dtraceScript{mode: wait.ModeIO, trial: "not signed with the [com.apple.security.get-task-allow] entitlement"}),
			says: "codesign --entitlements",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := examineDTrace(c.facts, c.subject, c.open)
			var text strings.Builder
			if err := r.WriteText(&text); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(text.String(), c.says) || len(r.Recordable) != c.modes {
				t.Errorf("want %q and %d modes, got\n%s", c.says, c.modes, &text)
			}
			if !strings.Contains(text.String(), "has not been tried on this system") {
				t.Errorf("it does not say that it was never tried:\n%s", &text)
			}
		})
	}
}
