package doctor

import (
	"fmt"
	"strings"

	"github.com/netpolltrace/netpolltrace/wait"
)

// dtraceFacts is what is known of a machine on which DTrace records.
type dtraceFacts struct {
	system, arch string // as Go names them
	uid          int
	path         string // of dtrace(1); empty if it is not there
	// trial is what came of a script that does nothing; empty if it ran.
	trial string
	// protection is what csrutil status prints on macOS; empty elsewhere, and
	// where it cannot be asked.
	protection string
	loaded     bool // FreeBSD: its modules are in the kernel
}

// dtraceSubject is what is known of a process that DTrace is to record.
type dtraceSubject struct {
	pid       int
	name, exe string
	goVersion string
	arch      string // of the executable
	unread    error  // why the executable cannot be read
	scripts   []dtraceScript
}

// dtraceScript is what came of the script of one mode.
type dtraceScript struct {
	mode  wait.Mode
	err   error  // why there is none
	trial string // what dtrace said that cannot probe it; empty if it can
}

// examineDTrace makes the report. subject is nil where no process was given.
func examineDTrace(f *dtraceFacts, subject *dtraceSubject, open error) *Report {
	r := &Report{
		Version: reportVersion, Of: "this machine",
		Sections: []Section{{Name: "Machine", Findings: machineFindings(f)}},
	}
	works := f.uid == 0 && f.path != "" && f.trial == ""
	switch {
	case open != nil:
		r.Of = "the process"
		r.Sections = append(r.Sections, Section{Name: "Process", Findings: []Finding{{Name: "process", State: Fail, Detail: open.Error()}}})
	case subject != nil:
		r.Of = fmt.Sprintf("process %d (%s)", subject.pid, subject.name)
		r.Sections = append(r.Sections, Section{Name: "Process", Findings: subjectFindings(f, subject)})
		for _, s := range subject.scripts {
			if works && s.err == nil && s.trial == "" {
				r.Recordable = append(r.Recordable, "mode "+string(s.mode))
			}
		}
	case works:
		r.Recordable = []string{"mode " + string(wait.ModeIO), "mode " + string(wait.ModeAll)}
	}
	return r
}

func machineFindings(f *dtraceFacts) []Finding {
	findings := []Finding{
		{Name: "system", State: Warn, Detail: f.system + " on " + f.arch + ": recording has not been tried on this system yet"},
		verdict("rights", f.uid == 0, "root", fmt.Sprintf("user %d; DTrace is for root", f.uid), "run netpolltrace with sudo"),
		verdict("dtrace", f.path != "", f.path, "not found in PATH", "it is part of macOS and FreeBSD: add /usr/sbin to PATH"),
	}
	if f.system == "freebsd" {
		findings = append(findings, verdict("kernel modules", f.loaded, "loaded", "dtraceall is not loaded", "kldload dtraceall"))
	}
	if f.protection != "" {
		findings = append(findings, protectionFinding(f.protection))
	}
	if f.path != "" && f.uid == 0 {
		findings = append(findings, verdict("a script that does nothing", f.trial == "", "runs", "dtrace: "+f.trial, whatHelps(f.trial)))
	}
	return findings
}

// verdict is a finding that is good or that nothing can be recorded with.
func verdict(name string, good bool, what, trouble, fix string) Finding {
	if good {
		return Finding{Name: name, State: OK, Detail: what}
	}
	return Finding{Name: name, State: Fail, Detail: trouble, Fix: fix}
}

// protectionFinding judges System Integrity Protection by what csrutil(1) prints.
func protectionFinding(status string) Finding {
	f := Finding{Name: "System Integrity Protection", State: OK, Detail: status}
	if strings.Contains(status, "disabled") {
		return f
	}
	f.State = Warn
	f.Fix = "if DTrace is refused: start into Recovery and run csrutil enable --without dtrace; where that is not enough, csrutil disable"
	return f
}

// complaints say what helps against what dtrace(1) prints. What it prints is in
// the sources of macOS's and FreeBSD's libdtrace.
var complaints = []struct{ says, fix string }{
	{"system integrity protection", "start into Recovery and run csrutil enable --without dtrace"},
	{"invalid user access", "start into Recovery and run csrutil disable"},
	{"get-task-allow", "sign the executable again with the entitlement com.apple.security.get-task-allow: codesign --entitlements"},
	{"translated process", "build the program for arm64: DTrace cannot record what Rosetta translates"},
	{"DTrace device not available", "kldload dtraceall"},
	{"privilege", "run netpolltrace with sudo"},
	{"does not match any probes", "build the program without -ldflags=-s: DTrace finds functions by their symbols"},
}

// whatHelps is empty where that is not known.
func whatHelps(said string) string {
	for _, c := range complaints {
		if strings.Contains(strings.ToLower(said), strings.ToLower(c.says)) {
			return c.fix
		}
	}
	return ""
}

func subjectFindings(f *dtraceFacts, s *dtraceSubject) []Finding {
	if s.unread != nil {
		return []Finding{{Name: "executable", State: Fail, Detail: s.exe + ": " + s.unread.Error()}}
	}
	findings := []Finding{
		{Name: "executable", State: OK, Detail: s.exe + ", " + s.goVersion},
		verdict("architecture", s.arch == f.arch, s.arch, "it is for "+s.arch+" and this machine is "+f.arch, "build the program for "+f.arch),
	}
	for _, script := range s.scripts {
		name := "mode " + string(script.mode)
		switch {
		case script.err != nil:
			findings = append(findings, Finding{Name: name, State: Fail, Detail: script.err.Error()})
		case script.trial != "":
			findings = append(findings, Finding{Name: name, State: Fail, Detail: "dtrace: " + script.trial, Fix: whatHelps(script.trial)})
		default:
			findings = append(findings, Finding{Name: name, State: OK, Detail: "dtrace finds all probes"})
		}
	}
	return findings
}
