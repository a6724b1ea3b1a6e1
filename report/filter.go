package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/netpolltrace/netpolltrace/internal/expression"
	"github.com/netpolltrace/netpolltrace/wait"
	"github.com/netpolltrace/netpolltrace/wait/column"
)

// Filter chooses waits by an expression, such as
// `total > 2ms && peer == "db:5432"`. It is not safe for concurrent use.
type Filter struct {
	program *expression.Program[wait.Wait]
}

// NewFilter compiles an expression of --filter. Its error is one line that
// says where it is wrong.
func NewFilter(text string) (*Filter, error) {
	program, err := expression.Compile(text, filterFields(ofRecordings))
	if err != nil {
		return nil, fmt.Errorf("reading the filter %q: %w; for all names see netpolltrace report --help", text, err)
	}
	return &Filter{program: program}, nil
}

// NewSnapshotFilter is [NewFilter] for goroutines that wait now, of which less is
// known. Its error says what is.
func NewSnapshotFilter(text string) (*Filter, error) {
	if _, err := NewFilter(text); err != nil {
		return nil, err
	}
	program, err := expression.Compile(text, filterFields(ofSnapshots))
	if err != nil {
		return nil, fmt.Errorf("reading the filter %q: more than is known of goroutines that wait now; names: %s", text, strings.Join(SnapshotNames(), ", "))
	}
	return &Filter{program: program}, nil
}

// FilterNames are the names that conditions know, sorted.
func FilterNames() []string { return fieldNames(ofRecordings) }

// SnapshotNames are the names that conditions on goroutines that wait now know,
// sorted.
func SnapshotNames() []string { return fieldNames(ofSnapshots) }

func fieldNames(of scope) []string {
	var names []string
	for _, field := range filterFields(of) {
		names = append(names, field.Name())
	}
	slices.Sort(names)
	return names
}

// Match tells whether the wait is to be counted.
func (f *Filter) Match(w *wait.Wait) (bool, error) { return f.program.Match(w) }

// filterFields is a wait as expressions see it: the columns without the unit in
// their names, and by the names of their keys too. A number that is not known
// is null, a text that is not known is empty.
func filterFields(of scope) []expression.Field[wait.Wait] {
	var fields []expression.Field[wait.Wait]
	for _, c := range column.Table() {
		if !of(&c) {
			continue
		}
		names := []string{c.Name}
		if c.Key != "" && c.Key != c.Name {
			names = append(names, c.Key)
		}
		for _, name := range names {
			if field, ok := filterField(name, &c); ok {
				fields = append(fields, field)
			}
		}
	}
	return fields
}

// filterField is the column under one of its names; false for one that
// conditions do not know.
func filterField(name string, c *column.Column) (expression.Field[wait.Wait], bool) {
	switch v := c.Value.(type) {
	case column.Text:
		return expression.Always(name, v.Get), true
	case column.DerivedText:
		return expression.Always(name, v), true
	case column.Number[int32]:
		return numberField(name, c.Unit, v), true
	case column.Number[uint32]:
		return numberField(name, c.Unit, v), true
	case column.Number[uint64]:
		return numberField(name, c.Unit, v), true
	case column.Duration:
		return durationField(name, c.Required, v), true
	case column.DerivedDuration:
		return expression.Always(name, v), true
	case column.Flag:
		return expression.Always(name, func(w *wait.Wait) bool { return *v.At(w) }), true
	}
	return expression.Field[wait.Wait]{}, false
}

// durationField is a duration. Each wait has the required ones.
func durationField(name string, required bool, d column.Duration) expression.Field[wait.Wait] {
	if required {
		return expression.Always(name, d.Get)
	}
	return expression.Nullable(name, func(w *wait.Wait) (time.Duration, bool) {
		value := d.Get(w)
		return value, value != wait.Unmeasured
	})
}

// numberField is a number; one of microseconds is a duration.
func numberField[T int32 | uint32 | uint64](name string, unit column.Unit, n column.Number[T]) expression.Field[wait.Wait] {
	if unit == column.Microseconds {
		return expression.Nullable(name, func(w *wait.Wait) (time.Duration, bool) {
			value, known := n.Get(w)
			return time.Duration(value) * time.Microsecond, known
		})
	}
	return expression.Nullable(name, func(w *wait.Wait) (int, bool) {
		value, known := n.Get(w)
		return int(value), known
	})
}
