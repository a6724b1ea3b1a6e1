package report

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/netpolltrace/netpolltrace/wait"
)

// maxGroupCauses bounds the causes of a group that are told apart. Of further
// ones only the kind is kept.
const maxGroupCauses = 64

// causes is for how long each cause was waited for; the keys have no time.
type causes map[wait.Cause]time.Duration

// add adds the causes of a wait that was explained. It returns where they are
// kept, which it makes where there is nothing yet.
func (c causes) add(w *wait.Wait) causes {
	if w.Explanation == nil {
		return c
	}
	for _, cause := range w.Explanation.Causes {
		c = c.addOne(cause)
	}
	return c
}

func (c causes) addOne(cause wait.Cause) causes {
	if c == nil {
		c = make(causes)
	}
	d := cause.Time
	cause.Time = 0
	if _, known := c[cause]; !known && len(c) >= maxGroupCauses {
		cause = wait.Cause{Kind: cause.Kind}
	}
	c[cause] += d
	return c
}

// plus returns what both add up to, which stay as they are.
func (c causes) plus(other causes) causes {
	if len(other) == 0 {
		return c
	}
	sum := maps.Clone(c)
	for cause, d := range other {
		cause.Time = d
		sum = sum.addOne(cause)
	}
	return sum
}

// list is the causes, the longest first.
func (c causes) list() []wait.Cause {
	list := make([]wait.Cause, 0, len(c))
	for cause, d := range c {
		cause.Time = d
		list = append(list, cause)
	}
	slices.SortFunc(list, func(a, b wait.Cause) int {
		return cmp.Or(cmp.Compare(b.Time, a.Time), cmp.Compare(a.Kind, b.Kind), strings.Compare(a.Peer, b.Peer), strings.Compare(a.Line, b.Line))
	})
	return list
}
