package report

import (
	"time"

	"github.com/netpolltrace/netpolltrace/wait"
)

// Report is what recordings say, ready to be shown.
type Report struct {
	Metas   []wait.Meta // one for each recording that went in
	Targets []Target    // of all recordings, in their order
	// From and To are the time of which the report speaks, as bounds of
	// windows; zero if it speaks of everything.
	From, To time.Time
	Events   Events
	Table    Table
	Idle     bool // whether people are shown idle time too
	// Damage says what is wrong with recordings that could not be read to their
	// end, a sentence each.
	Damage []string
	// Unchecked says of which recordings damage can pass unnoticed, a sentence
	// each.
	Unchecked []string
	Findings  []Finding // empty without [Options.Finder]
}

// Severity says how much a finding matters.
type Severity string

// The severities.
const (
	SeverityWarning Severity = "warning" // time is lost that need not be
	SeverityNotice  Severity = "notice"  // good to know
)

// Finding is one conclusion from the numbers.
type Finding struct {
	ID        string // for programs: slow_peer
	Title     string // for people: Slow peer
	Severity  Severity
	Subject   string   // what it is about, such as a peer; can be empty
	Sentences []string // the first says what is, the others why and what to do
	// Numbers are what the sentences were made of, by a name that ends in the
	// unit.
	Numbers map[string]float64
}
