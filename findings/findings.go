// Package findings draws conclusions from waits: each finding is a file with a
// detector, and one row of the table in [NewCollector]. A detector would rather
// say nothing than raise a false alarm, and tells when it has seen too little
// to say either.
package findings

import (
	"fmt"
	"slices"
	"time"

	"github.com/netpolltrace/netpolltrace/report"
	"github.com/netpolltrace/netpolltrace/wait"
)

// Answer is what a detector has to say: findings, nothing, or that there was
// too little to go by.
type Answer struct {
	Findings []report.Finding
	// NotEnough says what was missing to judge; empty if nothing was.
	NotEnough string
}

// detector looks for one kind of trouble. Its memory is bounded.
type detector interface {
	wait.Sink
	// merge adds what another detector of the same kind was shown, and only
	// reads that one.
	merge(detector)
	// answer only reads the detector, since others may do so at the same time.
	answer() Answer
}

// median of a distribution that others may read at the same time: it is taken of
// a copy, for which scratch lends its memory.
func median(of, scratch *report.Distribution) time.Duration {
	scratch.Reset()
	scratch.Merge(of)
	return scratch.Quantile(0.5)
}

// Collector shows the waits and events of a source to all detectors. It is the
// [report.Finder] of reports.
type Collector struct {
	empty     report.Distribution // what a distribution begins with
	detectors []detector
}

// NewCollector returns a collector that has been shown nothing.
func NewCollector() (*Collector, error) {
	empty, err := report.NewDistribution()
	if err != nil {
		return nil, fmt.Errorf("making the detectors of findings: %w", err)
	}
	return newCollector(*empty), nil
}

func newCollector(empty report.Distribution) *Collector {
	throttled := newCPUThrottled()
	return &Collector{empty: empty, detectors: []detector{
		newSlowPeer(empty),
		throttled,
		newBusyProcessors(empty, throttled),
	}}
}

// Empty implements [report.Finder].
func (c *Collector) Empty() report.Finder { return newCollector(c.empty) }

// Merge implements [report.Finder]; other is a [Collector].
func (c *Collector) Merge(other report.Finder) {
	for i, d := range other.(*Collector).detectors {
		c.detectors[i].merge(d)
	}
}

// Wait implements [wait.Sink].
func (c *Collector) Wait(w *wait.Wait) error {
	for _, d := range c.detectors {
		if err := d.Wait(w); err != nil {
			return err
		}
	}
	return nil
}

// Event implements [wait.Sink].
func (c *Collector) Event(e *wait.Event) error {
	for _, d := range c.detectors {
		if err := d.Event(e); err != nil {
			return err
		}
	}
	return nil
}

// Answers is what each detector says about all that was seen so far.
func (c *Collector) Answers() []Answer {
	var answers []Answer
	for _, d := range c.detectors {
		answers = append(answers, d.answer())
	}
	return answers
}

// Findings implements [report.Finder]: what was found, warnings first.
func (c *Collector) Findings() []report.Finding {
	var found []report.Finding
	for _, a := range c.Answers() {
		found = append(found, a.Findings...)
	}
	slices.SortStableFunc(found, func(a, b report.Finding) int {
		return rank(a.Severity) - rank(b.Severity)
	})
	return found
}

func rank(s report.Severity) int {
	if s == report.SeverityWarning {
		return 0
	}
	return 1
}
