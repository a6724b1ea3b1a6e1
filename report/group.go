package report

import (
	"encoding/binary"

	"github.com/netpolltrace/netpolltrace/wait"
	"github.com/netpolltrace/netpolltrace/wait/column"
)

// group is what waits with the same text for every key have in common.
type group struct {
	key   string // encoded by groups.encode
	other bool
	stack *wait.Stack // of the first wait
}

// groups numbers the groups of a table in the order in which they come. All
// windows count by these numbers.
type groups struct {
	keys  []column.Column
	limit int
	byKey map[string]int
	// list is the groups by number. It is only appended to, so that others can
	// read a copy of the slice meanwhile.
	list  []group
	last  int // most waits come in runs; -1 before the first
	other int // of what came when the limit was reached; -1 until then
	buf   []byte
}

func newGroups(keys []column.Column, limit int) *groups {
	return &groups{keys: keys, limit: limit, byKey: map[string]int{}, last: -1, other: -1}
}

// number finds the number of the wait's group.
func (gs *groups) number(w *wait.Wait) int {
	gs.encode(w)
	if gs.last >= 0 && string(gs.buf) == gs.list[gs.last].key {
		return gs.last
	}
	n, ok := gs.byKey[string(gs.buf)]
	switch {
	case ok:
	case len(gs.byKey) < gs.limit:
		g := group{key: string(gs.buf), stack: w.Stack}
		n = gs.append(g)
		gs.byKey[g.key] = n
	default:
		if gs.other < 0 {
			gs.other = gs.append(group{other: true})
		}
		return gs.other
	}
	gs.last = n
	return n
}

func (gs *groups) append(g group) int {
	gs.list = append(gs.list, g)
	return len(gs.list) - 1
}

// encode writes the wait's key into the buffer: each text, followed by its
// length in 4 bytes. Read from its end it can be decoded whatever the texts
// hold.
func (gs *groups) encode(w *wait.Wait) {
	b := gs.buf[:0]
	for i := range gs.keys {
		start := len(b)
		b = gs.keys[i].Value.Append(b, w)
		b = binary.LittleEndian.AppendUint32(b, uint32(len(b)-start))
	}
	gs.buf = b
}

// texts is the inverse of encode, for so many keys. The other group has none.
func (g *group) texts(keys int) []string {
	texts := make([]string, keys)
	rest := g.key
	for i := len(texts) - 1; i >= 0 && len(rest) >= 4; i-- {
		rest, texts[i] = cutLast(rest)
	}
	return texts
}

func cutLast(key string) (before, text string) {
	end := len(key) - 4
	start := end - int(binary.LittleEndian.Uint32([]byte(key[end:])))
	return key[:start], key[start:end]
}
