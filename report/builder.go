package report

import (
	"fmt"

	"github.com/netpolltrace/netpolltrace/wait"
)

// defaultMaxGroups bounds the memory of one section to what a laptop has to
// spare: about 1 KiB a group with few waits.
const defaultMaxGroups = 100_000

// Options says what a report is to be about. The zero value is the report that
// people see first.
type Options struct {
	// By is what the waits are grouped by. If it is empty there are two
	// sections: network waits by peer and line, all others by reason and line.
	By []Key
	// Filter leaves out waits that do not match; nil lets all pass.
	Filter *Filter
	// Sort is the name of the measure that brings rows to the top, or "name".
	// Empty means total.
	Sort string
	// Idle shows idle time to people too. JSON and CSV always hold it.
	Idle bool
	// FDs collects the descriptors of open waits.
	FDs bool
	// MaxGroups bounds the groups of a section; 0 means 100,000. Waits of
	// further groups are counted in one row, marked as other.
	MaxGroups int
}

// Builder adds up the waits and events of one or more sources. It is a
// [wait.Sink].
type Builder struct {
	options  Options
	order    order
	scale    scale
	sections []*section
	events   events
}

// NewBuilder fails if the options name a key or an order that does not exist.
func NewBuilder(options Options) (*Builder, error) {
	if options.MaxGroups <= 0 {
		options.MaxGroups = defaultMaxGroups
	}
	order, err := orderNamed(options.Sort, options.Idle)
	if err != nil {
		return nil, err
	}
	s, err := newScale()
	if err != nil {
		return nil, fmt.Errorf("making the scale of percentiles: %w", err)
	}
	b := &Builder{options: options, order: order, scale: s}
	for _, spec := range sectionsFor(options.By) {
		section, err := newSection(spec, options.MaxGroups)
		if err != nil {
			return nil, err
		}
		b.sections = append(b.sections, section)
	}
	return b, nil
}

// Wait implements [wait.Sink].
func (b *Builder) Wait(w *wait.Wait) error {
	b.events.span(w.Start, w.Total)
	if b.options.Filter != nil {
		matched, err := b.options.Filter.Match(w)
		if err != nil || !matched {
			return err
		}
	}
	for _, s := range b.sections {
		if s.about(w) {
			s.add(w, b.scale, b.options.FDs)
			break
		}
	}
	return nil
}

// Event implements [wait.Sink].
func (b *Builder) Event(e *wait.Event) error {
	b.events.add(e)
	return nil
}

// Report says what the waits so far add up to, in recordings of which metas
// speak. More waits may be added afterwards, for another report.
func (b *Builder) Report(metas ...wait.Meta) *Report {
	r := &Report{Metas: metas, Idle: b.options.Idle, Totals: NoWaits()}
	r.Events = b.events.summary(metas)
	for _, s := range b.sections {
		built := s.build(b.order)
		r.Totals = r.Totals.Plus(&built.Totals)
		r.Sections = append(r.Sections, built)
	}
	return r
}
