// Package column is the one table of what is told of each wait. The columns of
// a recording, what conditions can name (--filter), what waits are grouped by
// (--by) and what exports hold are derived from it.
//
// A new column is four edits: the field of [wait.Wait], with its value in
// [wait.Empty] if that is not zero; its row in [Table]; its row in
// docs/recording-format.md; and the source that fills it. Tests fail where one of
// the first three is missing.
package column

import (
	"time"

	"github.com/netpolltrace/netpolltrace/wait"
)

// Column is one row of the table.
type Column struct {
	// Name is what conditions call it. It is empty for what is a key only.
	Name  string
	Unit  Unit // of a number or duration
	Value Value
	// Required: a recording without it cannot be read.
	Required bool
	// NeverNull: each row of a recording has it, events too.
	NeverNull bool
	// Snapshot: it is known of a goroutine that waits now, without a recording.
	Snapshot bool

	// Key is what --by calls it; empty if waits are not grouped by it.
	// Conditions understand this name, too.
	Key    string
	Header string // at the head of a key's column for people
	Long   bool   // often wider than a column
}

// Unit is what the numbers of a column count.
type Unit string

// The units of columns. Empty is none.
const (
	Nanoseconds  Unit = "ns"
	Microseconds Unit = "us"
)

// FullName is the name with the unit, as exports and recordings call it; empty
// for what is a key only.
func (c *Column) FullName() string {
	if c.Unit == "" {
		return c.Name
	}
	return c.Name + "_" + string(c.Unit)
}

// Stored is the name in a recording; empty if it is not stored.
func (c *Column) Stored() string {
	switch c.Value.(type) {
	case DerivedText, DerivedDuration, Group:
		return ""
	}
	return c.FullName()
}

// Numeric tells whether the text of the column is a decimal number.
func (c *Column) Numeric() bool {
	switch c.Value.(type) {
	case Number[int32], Number[uint32], Number[uint64], Duration, DerivedDuration, Moment:
		return true
	}
	return false
}

// text is a text of the wait itself.
func text(size Size, at func(*wait.Wait) *string) Text { return Text{Size: size, At: at} }

// ofProcess is what a wait's process has.
func ofProcess[T any](at func(*wait.Process) *T) func(*wait.Wait) *T {
	return func(w *wait.Wait) *T {
		if w.Process == nil {
			return nil
		}
		return at(w.Process)
	}
}

// ofStack is a text that a wait's stack has.
func ofStack(size Size, at func(*wait.Stack) *string) Text {
	return Text{Size: size, At: func(w *wait.Wait) *string {
		if w.Stack == nil {
			return nil
		}
		return at(w.Stack)
	}}
}

func duration(at func(*wait.Wait) *time.Duration) Duration { return Duration{At: at} }

// ofTCP is a number of a TCP socket.
func ofTCP(at func(*wait.Wait) *uint32) Number[uint32] {
	return Number[uint32]{At: at, Known: func(w *wait.Wait) *bool { return &w.HasTCP }}
}
