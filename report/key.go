package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/netpolltrace/netpolltrace/internal/nearest"
	"github.com/netpolltrace/netpolltrace/wait/column"
)

// Key is the name of something that waits can be grouped by.
type Key string

// The keys of --by that code here knows by name; [KeyNames] are all of them.
const (
	KeyPeer      Key = "peer"
	KeyPeerIP    Key = "peer_ip"
	KeyLine      Key = "line"
	KeyGoroutine Key = "goroutine"
	KeyStart     Key = "start"
	KeyStack     Key = "stack"
	KeyFunc      Key = "func"
	KeyReason    Key = "reason"
	KeyOp        Key = "op"
	KeyOutcome   Key = "outcome"
	KeyPoller    Key = "poller"
	KeyFor       Key = "for"
	KeyOwn       Key = "own"
	KeyEntry     Key = "entry"
	KeyVia       Key = "via"
	KeyCause     Key = "cause"
)

// scope is of which columns something is known.
type scope func(*column.Column) bool

// The scopes: recordings, and snapshots of goroutines that wait now.
func ofRecordings(*column.Column) bool  { return true }
func ofSnapshots(c *column.Column) bool { return c.Snapshot }

// KeyNames are the keys of --by, sorted.
func KeyNames() []string { return keyNames(ofRecordings) }

func keyNames(of scope) []string {
	var names []string
	for _, c := range column.Table() {
		if c.Key != "" && of(&c) {
			names = append(names, c.Key)
		}
	}
	slices.Sort(names)
	return names
}

// keyNamed is the column that a key groups by. A column's own name is one too:
// waker_line for waker.
func keyNamed(name Key) (column.Column, error) {
	for _, c := range column.Table() {
		if name != "" && c.Key != "" && (c.Key == string(name) || c.Name == string(name)) {
			return c, nil
		}
	}
	return column.Column{}, fmt.Errorf("unknown key %q%s; for all keys see netpolltrace report --help", name, nearest.Question(string(name), KeyNames()))
}

// ParseKeys reads a list of keys as --by takes it: peer,line. Each may be given
// once, since rows name their keys.
func ParseKeys(list string) ([]Key, error) {
	var keys []Key
	var columns []string
	for name := range strings.SplitSeq(list, ",") {
		key := Key(strings.TrimSpace(name))
		c, err := keyNamed(key)
		if err != nil {
			return nil, err
		}
		if slices.Contains(columns, c.Name) {
			return nil, fmt.Errorf("key %q is given twice: give it once", key)
		}
		keys, columns = append(keys, key), append(columns, c.Name)
	}
	return keys, nil
}

// ParseSnapshotKeys is [ParseKeys] for goroutines that wait now, of which less is
// known. Its error says what is.
func ParseSnapshotKeys(list string) ([]Key, error) {
	known := keyNames(ofSnapshots)
	var keys []Key
	for name := range strings.SplitSeq(list, ",") {
		name = strings.TrimSpace(name)
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("goroutines that wait now cannot be grouped by %q; keys: %s", name, strings.Join(known, ", "))
		}
		if slices.Contains(keys, Key(name)) {
			return nil, fmt.Errorf("key %q is given twice: give it once", name)
		}
		keys = append(keys, Key(name))
	}
	return keys, nil
}
