// Package recording writes and reads the file of a recording: an Arrow IPC
// stream with one row for each wait and each event, which any Arrow library can
// read. [Writer] is a wait.Sink, [Reader] a wait.Source.
//
// The columns of waits are those of package column. The file is
// untrusted input when it is read: whatever is in it, a Reader neither panics
// nor uses more memory than its [Limits].
//
// docs/recording-format.md describes the file for users.
package recording

import "github.com/apache/arrow-go/v18/arrow"

// FormatVersion is the version of the format that is written. Columns and keys
// are added without a new version, since readers look them up by name; a new
// version means that older readers would misread the file.
const FormatVersion = 1

// Extension ends the name of a recording.
const Extension = ".netpolltrace.arrows"

// schemaFor is the Arrow schema of a recording with the columns and metadata.
func schemaFor(columns []fileColumn, metadata arrow.Metadata) *arrow.Schema {
	fields := make([]arrow.Field, len(columns))
	for i, c := range columns {
		fields[i] = arrow.Field{Name: c.name, Type: c.dataType, Nullable: c.nullable}
	}
	return arrow.NewSchema(fields, &metadata)
}
