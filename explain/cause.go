package explain

import (
	"strings"

	"github.com/netpolltrace/netpolltrace/wait"
)

// causeID is the number of a cause, without its time, in a [causes].
type causeID uint32

const unknownCause causeID = 0

// maxCauses bounds how many causes are told apart. Beyond it only their kinds are.
const maxCauses = 1 << 16

// causes numbers causes.
type causes struct {
	list []wait.Cause
	ids  map[wait.Cause]causeID
	// dropped counts the causes that lost their peer and line, as there were too
	// many different ones.
	dropped uint64
}

func newCauses() causes {
	c := causes{ids: make(map[wait.Cause]causeID)}
	c.id(wait.Cause{Kind: wait.CauseUnknown})
	return c
}

// id is the number of a cause whose time is 0.
func (c *causes) id(cause wait.Cause) causeID {
	if id, ok := c.ids[cause]; ok {
		return id
	}
	if general := (wait.Cause{Kind: cause.Kind}); len(c.list) >= maxCauses && cause != general {
		c.dropped++
		return c.id(general)
	}
	cause.Peer, cause.Line = strings.Clone(cause.Peer), strings.Clone(cause.Line)
	id := causeID(len(c.list))
	c.list = append(c.list, cause)
	c.ids[cause] = id
	return id
}
