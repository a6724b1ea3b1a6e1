package report

import (
	"fmt"
	"slices"
	"strings"

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
)

// KeyNames are the keys of --by, sorted.
func KeyNames() []string {
	var names []string
	for _, c := range column.Table() {
		if c.Key != "" {
			names = append(names, c.Key)
		}
	}
	slices.Sort(names)
	return names
}

// keyNamed is the column that a key groups by.
func keyNamed(name Key) (column.Column, error) {
	for _, c := range column.Table() {
		if c.Key == string(name) && name != "" {
			return c, nil
		}
	}
	return column.Column{}, fmt.Errorf("unknown key %q; keys: %s", name, strings.Join(KeyNames(), ", "))
}

// ParseKeys reads a list of keys as --by takes it: peer,line. Its error says
// which keys there are.
func ParseKeys(list string) ([]Key, error) {
	var keys []Key
	for name := range strings.SplitSeq(list, ",") {
		key := Key(strings.TrimSpace(name))
		if _, err := keyNamed(key); err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, nil
}
