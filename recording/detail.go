package recording

import (
	"encoding/json"

	"github.com/netpolltrace/netpolltrace/wait"
)

// encodeDetail is what an event's detail is in the column attributes; empty for
// none, and for one that is too long or cannot be written.
func encodeDetail(detail wait.Detail) string {
	if detail == nil {
		return ""
	}
	if change, ok := detail.(*wait.TargetChange); ok {
		detail = boundedChange(change)
	}
	text, err := json.Marshal(detail)
	if err != nil || len(text) > maxAttributes {
		return ""
	}
	return string(text)
}

// decodeDetail is the detail that the attributes of an event of a kind tell; nil
// if they tell none. Attributes that this version does not know are ignored.
func decodeDetail(kind wait.EventKind, attributes string) wait.Detail {
	detail := wait.NewDetail(kind)
	if detail == nil || attributes == "" || len(attributes) > maxAttributes {
		return nil
	}
	if json.Unmarshal([]byte(attributes), detail) != nil {
		return nil
	}
	return detail
}
