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
	// general is for each cause the next one that tells less of the same, itself
	// where nothing tells less.
	general []causeID
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
	cause.Own, cause.OwnFunc = strings.Clone(cause.Own), strings.Clone(cause.OwnFunc)
	id := causeID(len(c.list))
	c.list = append(c.list, cause)
	c.general = append(c.general, id)
	c.ids[cause] = id
	if less := lessOf(cause); less != cause {
		c.general[id] = c.id(less)
	}
	return id
}

// lessOf is a cause without the least of what is told of it: the line, the peer, and
// in the end the program's own code.
func lessOf(cause wait.Cause) wait.Cause {
	switch {
	case cause.Line != "":
		cause.Line = ""
	case cause.Peer != "":
		cause.Peer = ""
	default:
		cause.Own, cause.OwnFunc = "", ""
	}
	return cause
}
