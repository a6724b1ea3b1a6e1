package export

import (
	"bufio"
	"io"
	"time"

	"github.com/netpolltrace/netpolltrace/internal/safejson"
	"github.com/netpolltrace/netpolltrace/wait"
	"github.com/netpolltrace/netpolltrace/wait/column"
)

// jsonLines writes a JSON object a line (https://jsonlines.org): all columns of
// each wait, by their names with the unit. Numbers and texts that are not known
// are null. Moments are RFC 3339, since nanoseconds since 1970 are more than
// most readers of JSON keep exactly. Events are left out.
type jsonLines struct {
	out    *bufio.Writer
	fields []jsonField
	line   []byte
}

// jsonField writes one column.
type jsonField struct {
	head  string // what stands before the value
	value func(b []byte, w *wait.Wait) []byte
}

func newJSONLines(w io.Writer) Writer {
	j := &jsonLines{out: bufio.NewWriter(w)}
	before := "{"
	for _, c := range column.Table() {
		if c.Name == "" {
			continue
		}
		head := append([]byte(before), safejson.AppendString(nil, []byte(c.FullName()))...)
		j.fields = append(j.fields, jsonField{head: string(head) + ":", value: jsonValue(&c)})
		before = ","
	}
	return j
}

// Wait implements [wait.Sink].
func (j *jsonLines) Wait(w *wait.Wait) error {
	if w.Kind == wait.KindHandoff {
		return nil // it is no wait
	}
	b := j.line[:0]
	for i := range j.fields {
		b = append(b, j.fields[i].head...)
		b = j.fields[i].value(b, w)
	}
	j.line = append(b, "}\n"...)
	_, err := j.out.Write(j.line)
	return err
}

// Event implements [wait.Sink].
func (j *jsonLines) Event(*wait.Event) error { return nil }

// Close implements [Writer].
func (j *jsonLines) Close() error { return j.out.Flush() }

// jsonValue writes a column's value as JSON.
func jsonValue(c *column.Column) func([]byte, *wait.Wait) []byte {
	var text []byte // kept, so that nothing is allocated
	switch v := c.Value.(type) {
	case column.Moment:
		return func(b []byte, w *wait.Wait) []byte {
			b = append(b, '"')
			b = time.Unix(0, *v.At(w)).UTC().AppendFormat(b, time.RFC3339Nano)
			return append(b, '"')
		}
	case column.Flag:
		return v.Append
	}
	if c.Numeric() {
		return func(b []byte, w *wait.Wait) []byte {
			before := len(b)
			if b = c.Value.Append(b, w); len(b) == before {
				b = append(b, "null"...)
			}
			return b
		}
	}
	return func(b []byte, w *wait.Wait) []byte {
		if text = c.Value.Append(text[:0], w); len(text) == 0 {
			return append(b, "null"...)
		}
		return safejson.AppendString(b, text)
	}
}
