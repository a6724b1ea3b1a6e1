package doctor

import (
	"context"
	"fmt"

	"github.com/netpolltrace/netpolltrace/probes"
	"github.com/netpolltrace/netpolltrace/process"
)

// Opener opens the process that is to be recorded.
type Opener func() (*process.Process, error)

// Examine looks at this machine, and at a process where open is not nil. That
// the process cannot be opened is a finding; the error is of not knowing even
// the plainest things about this machine.
func Examine(ctx context.Context, open Opener) (*Report, error) {
	m, err := lookAtMachine()
	if err != nil {
		return nil, err
	}
	var features probes.Features
	// A trial raises the limits that trying the features needs.
	trials := make([]trial, len(modes))
	for i, mode := range modes {
		trials[i] = tryHere(ctx, &features, mode)
	}
	requirements := probes.Survey(&features)
	report := &Report{
		Version: reportVersion,
		Of:      "this machine",
		Sections: []Section{
			examineMachine(m), examineHooks(m, requirements), examineModes(m, requirements, trials),
		},
		Recordable: recordable(trials),
	}
	if open != nil {
		examineProcess(report, m, &features, requirements, open)
	}
	return report, nil
}

// examineProcess adds to a report what there is to say of the process.
func examineProcess(report *Report, m *machine, features *probes.Features, requirements []probes.Requirement, open Opener) {
	p, err := open()
	if err != nil {
		report.Of, report.Recordable = "the process", recordable(nil)
		report.Sections = append(report.Sections, Section{
			Name: "Process", Findings: []Finding{{Name: "process", State: Fail, Detail: err.Error()}},
		})
		return
	}
	defer p.Close()
	s := lookAtProcess(p, features)
	report.Of = fmt.Sprintf("process %d (%s)", s.pid, s.name)
	report.Sections = append(report.Sections, examineSubject(m, requirements, s))
	report.Recordable = recordable(s.trials)
}
