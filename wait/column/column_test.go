package column_test

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/netpolltrace/netpolltrace/wait"
	"github.com/netpolltrace/netpolltrace/wait/column"
)

// filled is a wait with a process and a stack.
func filled() *wait.Wait {
	w := wait.Empty()
	w.Process, w.Stack = new(wait.Process), new(wait.Stack)
	return &w
}

// places is where the columns that are stored are in the wait.
func places(t *testing.T, w *wait.Wait) map[any]string {
	at := make(map[any]string)
	for _, c := range column.Table() {
		var place any
		switch v := c.Value.(type) {
		case column.Text:
			place = v.At(w)
		case column.Number[int32]:
			place = v.At(w)
		case column.Number[uint32]:
			place = v.At(w)
		case column.Number[uint64]:
			place = v.At(w)
		case column.Duration:
			place = v.At(w)
		case column.Moment:
			place = v.At(w)
		case column.Flag:
			place = v.At(w)
		case column.DerivedText, column.DerivedDuration, column.Group:
			continue
		default:
			t.Errorf("column %s has a value of type %T, which no reader of the table knows", c.Name, v)
		}
		if other, taken := at[place]; taken {
			t.Errorf("columns %s and %s are the same field", other, c.Name)
		}
		at[place] = c.Name
	}
	return at
}

// A field without a row in the table is not recorded and never seen again.
func TestEachFieldOfAWaitHasAColumn(t *testing.T) {
	without := []string{
		"Process", "Stack", // their fields have columns
		"HasTCP",      // whether rtt, min_rtt and retransmits are null
		"Func",        // follows from the stack and its line
		"Explanation", // made by a report; not recorded
	}
	w := filled()
	at := places(t, w)
	for _, holder := range []any{w, w.Process, w.Stack} {
		fields := reflect.ValueOf(holder).Elem()
		for i := range fields.NumField() {
			name := fields.Type().Field(i).Name
			if slices.Contains(without, name) {
				continue
			}
			place := fields.Field(i).Addr()
			if place.Type().Elem().Kind() == reflect.String {
				place = place.Convert(reflect.TypeFor[*string]())
			}
			if at[place.Interface()] == "" {
				t.Errorf("%s.%s has no column", fields.Type(), name)
			}
		}
	}
}

func TestNamesAreGivenOnce(t *testing.T) {
	var names, stored, keys []string
	for _, c := range column.Table() {
		names, stored, keys = append(names, c.Name), append(stored, c.Stored()), append(keys, c.Key)
		if c.Name == "" && c.Key == "" {
			t.Error("a column has no name")
		}
		if (c.Key == "") != (c.Header == "") {
			t.Errorf("column %s has the key %q and the header %q", c.Name, c.Key, c.Header)
		}
	}
	for what, list := range map[string][]string{"name": names, "name in a recording": stored, "key": keys} {
		slices.Sort(list)
		for i, name := range list[1:] {
			if name == list[i] && name != "" {
				t.Errorf("two columns have the %s %s", what, name)
			}
		}
	}
}

// texts is what the columns say of a wait, those that are null left out.
func texts(w *wait.Wait) map[string]string {
	said := make(map[string]string)
	for _, c := range column.Table() {
		if text := c.Value.Append(nil, w); len(text) > 0 {
			name := c.Name
			if name == "" {
				name = "by " + c.Key
			}
			said[name] = string(text)
		}
	}
	return said
}

func TestNothingIsKnownOfAnEmptyWait(t *testing.T) {
	want := map[string]string{"start": "0", "count": "1", "started_before": "false", "by_timer": "false"}
	empty := wait.Empty()
	// Without parts all of a total is unsplit and awaited, also one that is not known.
	got := texts(&empty)
	delete(got, "unsplit")
	delete(got, "awaited")
	if !reflect.DeepEqual(got, want) {
		t.Errorf("an empty wait says %v, want %v", got, want)
	}
}

func TestColumnsAsText(t *testing.T) {
	w := filled()
	*w.Process = wait.Process{Host: "web-1", Name: "shop", PID: 4171}
	*w.Stack = wait.Stack{Funcs: "a;b;c", Lines: "x:1;y:2;z:3", Line: "y:2", Func: "b", Via: "c", Own: "a;b"}
	w.Kind, w.Start, w.Op, w.Role = wait.KindWait, 5, wait.OpRead, wait.RoleDialed
	w.Total, w.Network, w.Sched, w.Idle = 10*time.Microsecond, 7*time.Microsecond, 0, time.Microsecond
	w.Goid, w.FD, w.P, w.Peer = 1<<63, 0, 2, "[::1]:5432"
	w.RTT, w.HasTCP = 300, true
	want := map[string]string{
		"kind": "wait", "start": "5", "total": "10000", "network": "7000", "sched": "0", "idle": "1000",
		"unsplit": "3000", "awaited": "9000",
		"host": "web-1", "process": "shop", "pid": "4171", "goid": "9223372036854775808",
		"op": "read", "fd": "0", "role": "dialed", "peer": "[::1]:5432", "by peer": "[::1]:5432",
		"by cause": "network of [::1]:5432", "peer_ip": "::1",
		"rtt": "300", "min_rtt": "0", "retransmits": "0", "p": "2", "started_before": "false", "by_timer": "false", "count": "1",
		"line": "y:2", "func": "b", "stack": "a;b;c", "stack_lines": "x:1;y:2;z:3", "via": "c", "own": "a;b", "entry": "a",
	}
	if got := texts(w); !reflect.DeepEqual(got, want) {
		t.Errorf("the columns say\n%v\nwant\n%v", got, want)
	}
}
