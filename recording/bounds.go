package recording

import (
	"maps"
	"slices"
	"unicode/utf8"

	"github.com/netpolltrace/netpolltrace/wait"
)

// How much of what a target and its machine are called goes into the metadata,
// in bytes of JSON. The whole stays far below Limits.Metadata, and a target fits
// into the attributes of an event.
const (
	maxMetaText    = 4 << 10 // bytes of a text, before it is JSON
	maxMetaTargets = 64      // programs

	roomForTarget  = 32 << 10
	roomForReasons = 64 << 10 // why parts are missing on this machine
	roomForProbes  = 1 << 20
)

// room is how many bytes texts may still take as JSON, in which one byte can
// become six: \u0001.
type room int

// text is as much of a text as there is room for.
func (r *room) text(text string) string {
	text = storable(text, maxMetaText)
	const quotes = 2
	*r -= quotes
	for i, c := range text {
		size := jsonSize(c)
		if size > int(*r) {
			return text[:i]
		}
		*r -= room(size)
	}
	return text
}

// jsonSize is how many bytes encoding/json needs for a character, at most.
func jsonSize(c rune) int {
	const escaped = len(`\u0001`)
	switch {
	case c < 0x20, c == '<', c == '>', c == '&', c == 0x2028, c == 0x2029:
		return escaped
	case c == '"', c == '\\':
		return 2
	}
	return utf8.RuneLen(c)
}

// punctuation is what an element of a list or of a map takes besides its texts.
const punctuation = 2

// list is as much of a list as there is room for.
func (r *room) list(list []string) []string {
	var some []string
	for _, text := range list {
		if *r <= 0 {
			break
		}
		*r -= punctuation
		some = append(some, r.text(text))
	}
	return some
}

// reasons is as many of the reasons as there is room for.
func (r *room) reasons(reasons map[wait.Part]string) map[wait.Part]string {
	if reasons == nil {
		return nil
	}
	some := make(map[wait.Part]string)
	for _, part := range slices.Sorted(maps.Keys(reasons)) {
		if *r <= 0 {
			break
		}
		*r -= punctuation
		name := wait.Part(r.text(string(part)))
		some[name] = r.text(reasons[part])
	}
	return some
}

// boundedMeta is m with texts that a file can hold.
func boundedMeta(m *wait.Meta) *wait.Meta {
	b := *m
	for _, text := range []*string{&b.Host, &b.Kernel, &b.Arch, &b.Tool} {
		*text = storable(*text, maxMetaText)
	}
	forProbes, forReasons := room(roomForProbes), room(roomForReasons)
	b.Probes = forProbes.list(m.Probes)
	b.Unmeasured = forReasons.reasons(m.Unmeasured)
	b.Targets = nil
	for _, t := range m.Targets[:min(len(m.Targets), maxMetaTargets)] {
		b.Targets = append(b.Targets, boundedTarget(t))
	}
	return &b
}

// boundedTarget is t with texts that a file can hold. What identifies the
// program comes before its arguments.
func boundedTarget(t wait.Target) wait.Target {
	left := room(roomForTarget)
	t.Exe, t.Go, t.BuildID = left.text(t.Exe), left.text(t.Go), left.text(t.BuildID)
	t.Mode = wait.Mode(left.text(string(t.Mode)))
	t.Unmeasured = left.reasons(t.Unmeasured)
	t.Modules = left.modules(t.Modules)
	t.Args = left.list(t.Args)
	return t
}

// modules is as much of what an executable was made of as there is room for: the
// program's own first.
func (r *room) modules(m *wait.Modules) *wait.Modules {
	if m == nil {
		return nil
	}
	return &wait.Modules{
		MainPackage: r.text(m.MainPackage), GOROOT: r.text(m.GOROOT), Own: r.list(m.Own), Libraries: r.list(m.Libraries),
	}
}

// boundedChange is a change whose target has texts that a file can hold.
func boundedChange(change *wait.TargetChange) *wait.TargetChange {
	if change.Target == nil {
		return change
	}
	t := boundedTarget(*change.Target)
	return &wait.TargetChange{State: change.State, Target: &t}
}
