package report

import (
	"fmt"
	"sync"
	"time"

	"github.com/netpolltrace/netpolltrace/wait"
)

const (
	// defaultMaxGroups bounds the memory of a table to what a laptop has to
	// spare: about 1 KiB a group with few waits.
	defaultMaxGroups  = 100_000
	defaultMaxWindows = 100
)

// Options says what a report is to be about. The zero value is the report that
// people see first, without conclusions.
type Options struct {
	// By is what the waits are grouped by. If it is empty they are grouped by whom
	// they keep waiting, peer and line, for the first screen ([Table.Screen]).
	By []Key
	// Own are patterns of what is the program's own code, besides what recordings
	// say ([OwnCode]).
	Own []string
	// Filter leaves out waits that do not match; nil lets all pass. Causes and
	// findings are drawn from all waits.
	Filter *Filter
	// Sort is the name of the measure that brings rows to the top, or "name".
	// Empty means total.
	Sort string
	// Idle shows idle time to people too. JSON and CSV always hold it.
	Idle bool
	// FDs collects the descriptors of open waits.
	FDs bool
	// MaxGroups bounds the groups of a table; 0 means 100,000. Waits of
	// further groups are counted in one row, marked as other.
	MaxGroups int
	// Explain makes what tells causes, which hands waits on to next; nil: they
	// are taken as they come.
	Explain func(next wait.Sink) Explainer
	// Finder draws conclusions; nil: there are none.
	Finder Finder
	// Window is the length of the windows of time that are added up apart; 0
	// means that there is one, for all. They begin at multiples of it since the
	// Unix epoch.
	Window time.Duration
	// MaxWindows bounds the windows that are kept apart; 0 means 100. Older
	// ones are added up in one.
	MaxWindows int
}

// Explainer is a stage that tells what caused a wait. It is shown all waits and
// events and hands them on. Waits it may hold back to bring them into order.
type Explainer interface {
	wait.Sink
	// Begin says that what comes from now on is of the recording of which meta
	// speaks.
	Begin(meta *wait.Meta)
	// Flush hands on the waits that are held back.
	Flush() error
}

// Finder draws conclusions from the waits and events that it is shown.
type Finder interface {
	wait.Sink
	// Empty returns a finder of the same kind that has been shown nothing.
	Empty() Finder
	// Merge adds what another finder of the same kind has been shown, and only
	// reads that one: others may do so at the same time.
	Merge(Finder)
	// Findings are the conclusions, those that matter most first. It only reads
	// the finder, too.
	Findings() []Finding
}

// Builder makes reports of a stream of waits and events. It is a [wait.Sink];
// the package's comment tells the stages that they pass.
//
// Waits are added by one goroutine. Reports can be asked for by others at the
// same time: to build one does not hold up the waits.
type Builder struct {
	order order

	mu        sync.Mutex // held for one wait or to seal a window, never to build a report
	own       *OwnCode   // nil: as recordings say
	explain   Explainer  // nil: there is none
	first     wait.Sink  // the first stage
	windows   windows    // the stages after the explanation
	metas     []wait.Meta
	damage    []string
	unchecked []string
}

// NewBuilder fails if the options name a key or an order that does not exist.
func NewBuilder(options Options) (*Builder, error) {
	if options.MaxGroups <= 0 {
		options.MaxGroups = defaultMaxGroups
	}
	if options.MaxWindows <= 0 {
		options.MaxWindows = defaultMaxWindows
	}
	order, err := orderNamed(options.Sort)
	if err != nil {
		return nil, err
	}
	rows, err := newTable(options.By, options.MaxGroups)
	if err != nil {
		return nil, err
	}
	s, err := newScale()
	if err != nil {
		return nil, fmt.Errorf("making the scale of percentiles: %w", err)
	}
	b := &Builder{order: order, windows: windows{options: options, scale: s, table: rows}}
	b.first = &b.windows
	if options.Explain != nil {
		b.explain = options.Explain(&b.windows)
		b.first = b.explain
	}
	if len(options.Own) > 0 {
		b.own = NewOwnCode(options.Own)
		b.first = ownStage{b.own, b.first}
	}
	return b, nil
}

// Begin says that what comes from now on is of the recording of which meta
// speaks. What comes before the first is of one of which nothing is known.
func (b *Builder) Begin(meta *wait.Meta) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.seal(); err != nil {
		return err
	}
	if b.own != nil {
		b.own.Begin(meta)
	}
	if b.explain != nil {
		b.explain.Begin(meta)
	}
	b.windows.recording = len(b.metas)
	b.metas = append(b.metas, *meta)
	return nil
}

// Damaged says, in a sentence, why a recording could not be read to its end.
func (b *Builder) Damaged(sentence string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.damage = append(b.damage, sentence)
}

// Unchecked says, in a sentence, why damage to a recording can pass unnoticed.
func (b *Builder) Unchecked(sentence string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.unchecked = append(b.unchecked, sentence)
}

// Wait implements [wait.Sink].
func (b *Builder) Wait(w *wait.Wait) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.first.Wait(w)
}

// Event implements [wait.Sink].
func (b *Builder) Event(e *wait.Event) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.first.Event(e)
}

// seal ends the current window with all that came so far.
func (b *Builder) seal() error {
	if b.explain != nil {
		if err := b.explain.Flush(); err != nil {
			return err
		}
	}
	b.windows.seal()
	return nil
}
