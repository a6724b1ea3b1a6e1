package recording

import (
	"errors"
	"fmt"
)

// Damage says that a recording is not intact. What comes before the damage was
// checked and read; what comes after it was not.
type Damage struct {
	// Cut: the file just stops, as when the recorder was killed. Otherwise
	// bytes in it are not what was written.
	Cut bool
	// Offset is the number of intact bytes.
	Offset int64
	// Cause is what was found there; nil if the file ends between two batches.
	Cause error
	// Unsealed: another tool wrote the file, without checksums. Bytes before
	// Offset were read and not checked.
	Unsealed bool
}

// Error is one line for the user.
func (d *Damage) Error() string {
	switch {
	case d.Unsealed && d.Cut && d.Cause == nil:
		return fmt.Sprintf("the recording stops after %d bytes without the event `end`; it is cut off, or the tool that wrote it left that row out", d.Offset)
	case d.Unsealed && d.Cut:
		return fmt.Sprintf("the recording is cut off after %d bytes; probably the copy is incomplete", d.Offset)
	case d.Unsealed:
		return fmt.Sprintf("the recording cannot be read after %d bytes; the rest is left out: %v", d.Offset, d.Cause)
	case d.Cut && d.Cause == nil:
		return fmt.Sprintf("the recording stops after %d bytes without its end; probably the recorder was killed. Up to there it is intact", d.Offset)
	case d.Cut:
		return fmt.Sprintf("the recording is cut off after %d intact bytes; probably the recorder was killed or the copy is incomplete", d.Offset)
	default:
		return fmt.Sprintf("the recording is damaged after %d intact bytes; the rest is left out: %v", d.Offset, d.Cause)
	}
}

// Unwrap returns the cause.
func (d *Damage) Unwrap() error { return d.Cause }

// ErrUnsealed says what it means that a file is not sealed: see [Reader.Sealed].
var ErrUnsealed = errors.New("it has no checksums, since another tool wrote it; damage to its bytes can pass unnoticed")

var errOtherArrow = errors.New("it is an Arrow stream, but not a recording of netpolltrace: name a file that `netpolltrace record` wrote")
