package render

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"time"

	"github.com/netpolltrace/netpolltrace/internal/safejson"
	"github.com/netpolltrace/netpolltrace/report"
	"github.com/netpolltrace/netpolltrace/wait"
)

// jsonVersion is raised when a name or a meaning changes, not when something
// is added.
const jsonVersion = 1

// The types below and renderJSON are the promise of `report --format json`, in
// its order.
type (
	jsonTarget struct {
		Exe        string     `json:"exe"`
		PID        int        `json:"pid"`
		Go         string     `json:"go"`
		BuildID    string     `json:"build_id"`
		GOMAXPROCS *int       `json:"gomaxprocs"`
		Recording  int        `json:"recording"` // its number, from 0
		JoinedNS   int64      `json:"joined_ns"` // since the recording began, as all times
		LeftNS     *int64     `json:"left_ns"`   // null: recorded to the end
		Modes      []jsonMode `json:"modes"`
		Overhead   *float64   `json:"overhead_percent"`
	}
	jsonMode struct {
		Mode   wait.Mode `json:"mode"`
		FromNS int64     `json:"from_ns"`
		ToNS   int64     `json:"to_ns"`
	}
	jsonRecorded struct {
		Seconds    float64    `json:"seconds"`
		Kernel     string     `json:"kernel"`
		Arch       string     `json:"arch"`
		Truncated  bool       `json:"truncated"`
		Damage     []string   `json:"damage,omitempty"`
		Unchecked  []string   `json:"unchecked,omitempty"`
		Started    *time.Time `json:"started"`
		Host       string     `json:"host"`
		Tool       string     `json:"tool"`
		Recordings int        `json:"recordings"`
	}
	jsonFinding struct {
		ID        string             `json:"id"`
		Title     string             `json:"title"`
		Severity  report.Severity    `json:"severity"`
		Subject   string             `json:"subject"`
		Sentences []string           `json:"sentences"`
		Numbers   map[string]float64 `json:"numbers"`
	}
	jsonNote struct {
		Kind  wait.EventKind `json:"event"`
		AtNS  int64          `json:"at_ns"`
		Count uint64         `json:"count"`
		Text  string         `json:"note"`
		PID   *int32         `json:"pid"` // null: of the recording
	}
)

// renderJSON writes a report for programs: all waits, with their idle time, in nanoseconds;
// null is what was not measured. A row is a line, so that many rows neither
// need memory nor are hard to read.
func renderJSON(w io.Writer, r *report.Report, o Options) error {
	out := bufio.NewWriter(w)
	field := func(before, name string, value any) {
		fmt.Fprintf(out, "%s%q: %s", before, name, encoded(value))
	}
	field("{", "version", jsonVersion)
	field(",\n ", "targets", jsonTargets(r.Targets))
	field(",\n ", "recorded", describe(r))
	field(",\n ", "totals", jsonTotals(r))
	out.WriteString(",\n \"rows\": [")
	separator := "\n  "
	measures := report.Measures()
	for _, row := range programRows(&r.Table, o) {
		out.WriteString(separator)
		out.Write(jsonRow(&r.Table, row, measures))
		separator = ",\n  "
	}
	out.WriteByte(']')
	findings := []jsonFinding{}
	for _, f := range r.Findings {
		findings = append(findings, jsonFinding{f.ID, f.Title, f.Severity, f.Subject, f.Sentences, f.Numbers})
	}
	field(",\n ", "findings", findings)
	notes := []jsonNote{}
	for _, n := range r.Events.Notes {
		note := jsonNote{Kind: n.Kind, AtNS: int64(n.At), Count: n.Count, Text: n.Text}
		if n.Process != nil {
			note.PID = &n.Process.PID
		}
		notes = append(notes, note)
	}
	field(",\n ", "notes", notes)
	field(",\n ", "unmeasured", unmeasured(r))
	out.WriteString("}\n")
	return out.Flush()
}

func jsonTargets(targets []report.Target) []jsonTarget {
	list := []jsonTarget{}
	for _, t := range targets {
		target := jsonTarget{
			Exe: t.Exe, PID: t.PID, Go: t.Go, BuildID: t.BuildID, Recording: t.Recording,
			JoinedNS: int64(t.Joined), Modes: []jsonMode{}, Overhead: rounded(t.Overhead),
		}
		if t.GOMAXPROCS > 0 {
			target.GOMAXPROCS = &t.GOMAXPROCS
		}
		if t.Left != wait.Unmeasured {
			left := int64(t.Left)
			target.LeftNS = &left
		}
		for _, span := range t.Modes {
			target.Modes = append(target.Modes, jsonMode{span.Mode, int64(span.From), int64(span.To)})
		}
		list = append(list, target)
	}
	return list
}

// describe speaks of the machine and the tool of the first recording.
func describe(r *report.Report) jsonRecorded {
	recorded := jsonRecorded{
		Seconds: r.Events.Seconds, Truncated: r.Events.Truncated || len(r.Damage) > 0, Damage: r.Damage,
		Unchecked: r.Unchecked, Recordings: len(r.Metas),
	}
	if len(r.Metas) == 0 {
		return recorded
	}
	m := r.Metas[0]
	recorded.Kernel, recorded.Arch = m.Kernel, m.Arch
	recorded.Host, recorded.Tool = m.Host, m.Tool
	if !m.Started.IsZero() {
		started := m.Started.UTC()
		recorded.Started = &started
	}
	return recorded
}

// unmeasured is what some recording or target lacks, and why.
func unmeasured(r *report.Report) map[wait.Part]string {
	all := map[wait.Part]string{}
	for _, t := range r.Targets {
		maps.Copy(all, t.Unmeasured)
	}
	for _, m := range r.Metas {
		maps.Copy(all, m.Unmeasured)
	}
	return all
}

// rounded is a percentage that is nil when it was not measured.
func rounded(percent float64) *float64 {
	if percent < 0 {
		return nil
	}
	percent = math.Round(percent*1000) / 1000
	return &percent
}

// programRows gives the rows that a program is shown: all, unless a limit was
// asked for.
func programRows(s *report.Table, o Options) []*report.Row {
	if o.Top > 0 {
		return s.Rows[:min(len(s.Rows), o.Top)]
	}
	return s.Rows
}

func jsonTotals(r *report.Report) json.RawMessage {
	o := object{}
	for _, m := range report.Measures() {
		if m.InTotals {
			o.measure(m, &r.Table.Totals)
		}
	}
	o.field("lost", r.Events.Lost)
	o.field("overhead_percent", rounded(r.Events.Overhead))
	return o.bytes()
}

// jsonRow writes one row: its key and the table of measures.
func jsonRow(s *report.Table, row *report.Row, measures []report.Measure) json.RawMessage {
	key := object{}
	for i, k := range s.By {
		text := row.Key[i]
		switch {
		case row.Other, k.Numeric && text == "":
			key.field(string(k.Name), nil)
		case k.Numeric:
			key.field(string(k.Name), json.Number(text))
		default:
			key.field(string(k.Name), text)
		}
	}
	o := object{}
	o.field("key", key.bytes())
	for _, m := range measures {
		o.measure(m, row)
	}
	o.field("causes", jsonParts(row.Causes))
	if row.Other {
		o.field("others", true)
	}
	return o.bytes()
}

// object writes a JSON object whose fields keep their order.
type object struct{ buf bytes.Buffer }

func (o *object) field(name string, value any) {
	separator := ", "
	if o.buf.Len() == 0 {
		separator = "{"
	}
	fmt.Fprintf(&o.buf, "%s%q: %s", separator, name, encoded(value))
}

func (o *object) measure(m report.Measure, r *report.Row) {
	if value, ok := m.Value(r); ok {
		o.field(m.Name, value)
	} else {
		o.field(m.Name, nil)
	}
}

func (o *object) bytes() json.RawMessage {
	return append(o.buf.Bytes(), '}')
}

// encoded is a value of this file as JSON.
func encoded(value any) []byte {
	text, err := safejson.Marshal(value)
	if err != nil {
		return []byte("null") // only for numbers that are none, such as +Inf
	}
	return text
}
