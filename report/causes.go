package report

import (
	"cmp"
	"slices"
	"strings"

	"github.com/netpolltrace/netpolltrace/wait"
)

// maxGroupCauses bounds the causes of a group that are told apart. Of further
// ones only the kind is kept.
const maxGroupCauses = 64

// causes is for how long each cause was waited for. There are few, and their
// texts are the same in all waits of an explanation, so comparing them is cheaper
// than a hash of all.
type causes []wait.Cause

// add adds the causes of a wait that was explained.
func (c *causes) add(w *wait.Wait) {
	if w.Explanation == nil {
		return
	}
	for _, cause := range w.Explanation.Causes {
		c.addOne(cause)
	}
}

func (c *causes) addOne(cause wait.Cause) {
	if known := c.find(cause); known != nil {
		known.Time += cause.Time
		return
	}
	if len(*c) < maxGroupCauses {
		*c = append(*c, cause)
		return
	}
	general := wait.Cause{Kind: cause.Kind, Time: cause.Time}
	if known := c.find(general); known != nil {
		known.Time += cause.Time
		return
	}
	*c = append(*c, general) // of each kind at most
}

// find is where the cause is, whatever its time; nil if it is not there.
func (c *causes) find(cause wait.Cause) *wait.Cause {
	for i := range *c {
		known := &(*c)[i]
		if known.Kind == cause.Kind && known.Peer == cause.Peer && known.Line == cause.Line && known.Own == cause.Own {
			return known
		}
	}
	return nil
}

// merge adds other causes, which stay as they are.
func (c *causes) merge(other causes) {
	for _, cause := range other {
		c.addOne(cause)
	}
}

// list is the causes, the longest first.
func (c causes) list() []wait.Cause {
	return slices.SortedFunc(slices.Values(c), func(a, b wait.Cause) int {
		return cmp.Or(cmp.Compare(b.Time, a.Time), cmp.Compare(a.Kind, b.Kind), strings.Compare(a.Peer, b.Peer),
			strings.Compare(a.Line, b.Line), strings.Compare(a.Own, b.Own))
	})
}
