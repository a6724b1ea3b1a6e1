package render

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/olekukonko/tablewriter/pkg/twwidth"

	"github.com/netpolltrace/netpolltrace/explain"
	"github.com/netpolltrace/netpolltrace/internal/safejson"
	"github.com/netpolltrace/netpolltrace/report"
	"github.com/netpolltrace/netpolltrace/wait"
)

// Trees writes explained waits for people: for each a line that says who waited
// for how long, and below it, on a time line as long as the wait, what that was
// for. Where there is none it says what was left out. Began is when the recording
// did; zero if it is not known.
func Trees(w io.Writer, trees []explain.Node, left *LeftOut, began time.Time, o Options) error {
	t := newTerminal(o)
	for i := range trees {
		if i > 0 {
			t.line("")
		}
		t.strong(headline(&trees[i], began))
		scale := timeline{from: trees[i].From, length: trees[i].Time}
		t.stretches(&trees[i], scale, 0)
	}
	if len(trees) == 0 {
		t.wrapped("No wait to explain"+left.text()+".", "  ")
	}
	_, err := w.Write(t.out.Bytes())
	return err
}

// LeftOut counts the waits that are not explained, by the first reason that
// holds.
type LeftOut struct {
	Open, Idle, StartedBefore, Sleeps, Libraries uint64
	// Other is those that were not asked for.
	Other uint64
}

// Keep tells whether a wait is one that people want to see explained, and counts it
// if it is not.
func (l *LeftOut) Keep(w *wait.Wait) bool {
	switch {
	case w.Kind != wait.KindWait:
		l.Open++
	case w.Awaited() <= 0 || w.Explanation != nil && w.Explanation.Idle != "":
		l.Idle++
	case w.StartedBefore:
		l.StartedBefore++
	case w.Reason == wait.ReasonSleep:
		l.Sleeps++
	case w.Stack == nil || w.Stack.Own == "":
		l.Libraries++
	default:
		return true
	}
	return false
}

// text says how many were left out, and why.
func (l *LeftOut) text() string {
	var kinds []string
	for _, kind := range [...]struct {
		count uint64
		what  string
	}{
		{l.Other, "not asked for"},
		{l.Open, "still open"},
		{l.Idle, "idle"},
		{l.StartedBefore, "begun before the recording"},
		{l.Sleeps, "in time.Sleep"},
		{l.Libraries, "in code of libraries (--filter 'total > 0s' shows them)"},
	} {
		if kind.count > 0 {
			kinds = append(kinds, report.FormatCount(kind.count)+" "+kind.what)
		}
	}
	if len(kinds) == 0 {
		return ": there is none"
	}
	return "; left out: " + strings.Join(kinds, ", ")
}

// headline says who waited, for how long, and since when.
func headline(n *explain.Node, began time.Time) string {
	text := fmt.Sprintf("%s  goroutine %d  %s", report.FormatDuration(n.Time), n.Goid, Printable(waitedFor(n.Wait)))
	if !began.IsZero() {
		text += fmt.Sprintf("  (%s after the start)", report.FormatDuration(max(0, n.From.Sub(began))))
	}
	return text
}

// waitedFor says what a wait was and where: select at main.fetch main.go:36.
func waitedFor(w *wait.Wait) string {
	text := w.Reason
	if w.Op != "" {
		text = string(w.Op)
	}
	if w.Peer != "" {
		text += " of " + w.Peer
	}
	if at := place(w); at != "" {
		text += " at " + callers(w) + at
	}
	return text
}

// maxCallers is how many of the program's own functions are named before the
// one that waited.
const maxCallers = 2

// callers names the own functions that called the one that waited, outermost
// first: main.handle > .
func callers(w *wait.Wait) string {
	own := wait.Unfold(w.Stack.Own)
	own = own[:len(own)-1] // the last is that of the line
	var text strings.Builder
	for _, function := range own[max(0, len(own)-maxCallers):] {
		text.WriteString(report.ShortFunc(function) + " > ")
	}
	return text.String()
}

func place(w *wait.Wait) string {
	if w.Stack == nil {
		return ""
	}
	return report.ShortLine(w.Stack.Func, w.Stack.Line)
}

// stretches writes what a wait was for, a line for each part of it.
func (t *terminal) stretches(n *explain.Node, scale timeline, depth int) {
	for i := range n.Waker {
		child := &n.Waker[i]
		if child.Wait != nil && len(child.Waker) > 0 {
			t.stretch(scale, child.From, child.Time, depth, fmt.Sprintf("goroutine %d, which ended it: %s", child.Goid, waitedFor(child.Wait)))
			t.stretches(child, scale, depth+1)
			continue
		}
		t.parts(child, scale, depth)
	}
	own := *n
	own.Waker = nil
	t.parts(&own, scale, depth)
}

// parts writes the parts of a stretch that no other goroutine ended. They come
// in their order; those of a wait that a goroutine ended come after that.
func (t *terminal) parts(n *explain.Node, scale timeline, depth int) {
	var sum time.Duration
	for _, p := range n.Parts {
		sum += p.Time
	}
	at := n.From.Add(n.Time - sum)
	for _, p := range n.Parts {
		t.stretch(scale, at, p.Time, depth, partText(n, p, depth))
		at = at.Add(p.Time)
	}
}

func partText(n *explain.Node, p wait.Cause, depth int) string {
	text := p.String()
	if p.Kind == wait.CauseRunning && p.Line != "" {
		text = "running, up to " + report.ShortLine("", p.Line)
	}
	if p.Kind == wait.CauseSched {
		text = "sched: runnable until it ran"
	}
	if depth == 0 && n.Wait != nil && len(n.Waker) == 0 && p.Kind != wait.CauseNetwork {
		return text // the headline says who
	}
	if n.Wait != nil && p.Kind == wait.CauseNetwork {
		text += "  " + place(n.Wait)
	}
	return fmt.Sprintf("%s  (goroutine %d)", text, n.Goid)
}

// timelineWidth is how many columns stand for the whole wait.
const timelineWidth = 24

// timeline is the time that the columns stand for.
type timeline struct {
	from   time.Time
	length time.Duration
}

// bar marks a stretch on the time line: at least one column of it.
func (s timeline) bar(from time.Time, length time.Duration) string {
	column := func(t time.Time) int {
		return int(float64(timelineWidth) * float64(t.Sub(s.from)) / float64(max(s.length, 1)))
	}
	first := min(max(column(from), 0), timelineWidth-1)
	last := min(max(column(from.Add(length)), first+1), timelineWidth)
	return strings.Repeat("·", first) + strings.Repeat("█", last-first) + strings.Repeat("·", timelineWidth-last)
}

func (t *terminal) stretch(scale timeline, from time.Time, length time.Duration, depth int, text string) {
	const number = 9
	head := fmt.Sprintf("  %s %*s  %s", scale.bar(from, length), number, report.FormatDuration(length), strings.Repeat("  ", depth))
	room := max(t.names-twwidth.Width(head), minimalPath)
	t.line(head + keepEnds(Printable(text), room))
}

// jsonNode is a tree for programs; times in nanoseconds since the Unix epoch.
type jsonNode struct {
	Goroutine uint64     `json:"goroutine"`
	From      int64      `json:"from_ns"`
	Time      int64      `json:"ns"`
	Reason    string     `json:"reason,omitempty"` // empty where it did not wait
	Op        string     `json:"op,omitempty"`
	Outcome   string     `json:"outcome,omitempty"`
	Peer      string     `json:"peer,omitempty"`
	Func      string     `json:"func,omitempty"`
	Line      string     `json:"line,omitempty"`
	Parts     []jsonPart `json:"parts,omitempty"`
	Waker     []jsonNode `json:"waker,omitempty"`
}

type jsonPart struct {
	Cause wait.CauseKind `json:"cause"`
	Peer  string         `json:"peer,omitempty"`
	Line  string         `json:"line,omitempty"`
	Time  int64          `json:"ns"`
}

// TreesJSON writes explained waits for programs: {"version": 1, "waits": [...]}.
// The parts of a wait and of all below it add up to it.
func TreesJSON(w io.Writer, trees []explain.Node) error {
	document := struct {
		Version int        `json:"version"`
		Waits   []jsonNode `json:"waits"`
	}{jsonVersion, jsonNodes(trees)}
	text, err := safejson.Marshal(document)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if err := json.Indent(&out, append(text, '\n'), "", " "); err != nil {
		return err
	}
	_, err = w.Write(out.Bytes())
	return err
}

func jsonParts(causes []wait.Cause) []jsonPart {
	parts := make([]jsonPart, len(causes))
	for i, c := range causes {
		parts[i] = jsonPart{c.Kind, c.Peer, c.Line, int64(c.Time)}
	}
	return parts
}

func jsonNodes(nodes []explain.Node) []jsonNode {
	list := make([]jsonNode, len(nodes))
	for i := range nodes {
		n := &nodes[i]
		list[i] = jsonNode{Goroutine: n.Goid, From: n.From.UnixNano(), Time: int64(n.Time)}
		if w := n.Wait; w != nil {
			list[i].Reason, list[i].Op, list[i].Outcome, list[i].Peer = w.Reason, string(w.Op), string(w.Outcome), w.Peer
			if w.Stack != nil {
				list[i].Func, list[i].Line = w.Stack.Func, w.Stack.Line
			}
		}
		list[i].Parts = jsonParts(n.Parts)
		if len(n.Waker) > 0 {
			list[i].Waker = jsonNodes(n.Waker)
		}
	}
	return list
}
