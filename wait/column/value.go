package column

import (
	"strconv"
	"time"

	"github.com/netpolltrace/netpolltrace/wait"
)

// Value is how a column is had from a wait. It is one of [Text], [Number],
// [Duration], [Moment] and [Flag], which a recording stores, or of
// [DerivedText], [DerivedDuration] and [Group], which follow from others.
//
// The functions of the first five return where the wait holds the value, for
// reading and for setting it; they return nil for a wait without the process
// or stack that would hold it.
type Value interface {
	// Append appends the value as text: numbers in decimal and in the unit of
	// the column; nothing where it is null.
	Append(b []byte, w *wait.Wait) []byte
}

// Size is how many different texts a column has, and how long they may be.
type Size uint8

// The sizes of texts.
const (
	Word Size = iota // one of a few that netpolltrace or the runtime chooses
	Name             // an address, the name of a program
	Line             // the name of a function, a place in the source
	List             // many of them
)

// Text is a text; empty is not known, or does not apply.
type Text struct {
	Size Size
	At   func(*wait.Wait) *string
}

// Get is the text, empty where the wait has none.
func (t Text) Get(w *wait.Wait) string {
	if at := t.At(w); at != nil {
		return *at
	}
	return ""
}

// Append implements [Value].
func (t Text) Append(b []byte, w *wait.Wait) []byte { return append(b, t.Get(w)...) }

// Number is a number.
type Number[T int32 | uint32 | uint64] struct {
	At func(*wait.Wait) *T
	// Null is the value that stands for null, if Known is nil.
	Null T
	// Known tells whether the wait has the number, where no value of its own
	// can say that.
	Known func(*wait.Wait) *bool
}

// Get is the number, and whether there is one.
func (n Number[T]) Get(w *wait.Wait) (value T, known bool) {
	at := n.At(w)
	switch {
	case at == nil:
		return n.Null, false
	case n.Known != nil:
		return *at, *n.Known(w)
	}
	return *at, *at != n.Null
}

// Append implements [Value].
func (n Number[T]) Append(b []byte, w *wait.Wait) []byte {
	value, known := n.Get(w)
	switch {
	case !known:
		return b
	case value < 0:
		return strconv.AppendInt(b, int64(value), 10)
	}
	return strconv.AppendUint(b, uint64(value), 10)
}

// Duration is a duration; [wait.Unmeasured] is null.
type Duration struct {
	At func(*wait.Wait) *time.Duration
}

// Get is the duration; [wait.Unmeasured] if there is none.
func (d Duration) Get(w *wait.Wait) time.Duration { return *d.At(w) }

// Append implements [Value].
func (d Duration) Append(b []byte, w *wait.Wait) []byte { return appendDuration(b, d.Get(w)) }

// Moment is a point in time, in nanoseconds since the Unix epoch.
type Moment struct {
	At func(*wait.Wait) *int64
}

// Append implements [Value].
func (m Moment) Append(b []byte, w *wait.Wait) []byte { return strconv.AppendInt(b, *m.At(w), 10) }

// Flag is true or false.
type Flag struct {
	At func(*wait.Wait) *bool
}

// Append implements [Value].
func (f Flag) Append(b []byte, w *wait.Wait) []byte { return strconv.AppendBool(b, *f.At(w)) }

// DerivedText is a text that follows from other columns.
type DerivedText func(*wait.Wait) string

// Append implements [Value].
func (d DerivedText) Append(b []byte, w *wait.Wait) []byte { return append(b, d(w)...) }

// DerivedDuration is a duration that follows from other columns.
type DerivedDuration func(*wait.Wait) time.Duration

// Append implements [Value].
func (d DerivedDuration) Append(b []byte, w *wait.Wait) []byte { return appendDuration(b, d(w)) }

// Group is what waits are put together by. It makes no text of its own, so
// that grouping does not allocate, and conditions do not know it.
type Group func(b []byte, w *wait.Wait) []byte

// Append implements [Value].
func (g Group) Append(b []byte, w *wait.Wait) []byte { return g(b, w) }

func appendDuration(b []byte, d time.Duration) []byte {
	if d == wait.Unmeasured {
		return b
	}
	return strconv.AppendInt(b, int64(d), 10)
}
