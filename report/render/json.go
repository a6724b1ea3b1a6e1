package render

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"time"

	"github.com/netpolltrace/netpolltrace/report"
	"github.com/netpolltrace/netpolltrace/wait"
)

// jsonVersion is raised when a name or a meaning changes, not when something
// is added.
const jsonVersion = 1

// The types below are the promise of `report --format json`, in its order.
type (
	jsonReport struct {
		Version    int               `json:"version"`
		Target     jsonTarget        `json:"target"`
		Recorded   jsonRecorded      `json:"recorded"`
		Totals     json.RawMessage   `json:"totals"`
		Rows       []jsonRow         `json:"rows"`
		Findings   []jsonFinding     `json:"findings"`
		Notes      []jsonNote        `json:"notes"`
		Unmeasured map[string]string `json:"unmeasured"`
	}
	jsonTarget struct {
		Exe     string `json:"exe"`
		PID     int    `json:"pid"`
		Go      string `json:"go"`
		BuildID string `json:"build_id"`
	}
	jsonRecorded struct {
		Seconds    float64    `json:"seconds"`
		Mode       string     `json:"mode"`
		Kernel     string     `json:"kernel"`
		Arch       string     `json:"arch"`
		Truncated  bool       `json:"truncated"`
		Damage     string     `json:"damage,omitempty"`
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
	}
)

// renderJSON writes a report for programs: all waits, whole, in nanoseconds;
// null is what was not measured.
func renderJSON(w io.Writer, r *report.Report, o Options) error {
	out := jsonReport{
		Version:    jsonVersion,
		Totals:     jsonTotals(r),
		Rows:       []jsonRow{},
		Findings:   []jsonFinding{},
		Notes:      []jsonNote{},
		Unmeasured: map[string]string{},
	}
	out.Recorded = jsonRecorded{
		Seconds: r.Events.Seconds, Truncated: r.Events.Truncated, Damage: r.Damage, Recordings: len(r.Metas),
	}
	if len(r.Metas) > 0 {
		describe(&out, r.Metas)
	}
	measures := report.Measures()
	for i := range r.Sections {
		for _, row := range programRows(&r.Sections[i], o) {
			out.Rows = append(out.Rows, jsonRow{section: &r.Sections[i], row: row, measures: measures})
		}
	}
	for _, f := range r.Findings {
		out.Findings = append(out.Findings, jsonFinding{f.ID, f.Title, f.Severity, f.Subject, f.Sentences, f.Numbers})
	}
	for _, n := range r.Events.Notes {
		out.Notes = append(out.Notes, jsonNote{n.Kind, int64(n.At), n.Count, n.Text})
	}
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", " ")
	return encoder.Encode(out)
}

// describe takes the target of the first recording: several are summed up only
// if they are of one program.
func describe(out *jsonReport, metas []wait.Meta) {
	m := metas[0]
	out.Target = jsonTarget{Exe: m.Target.Exe, PID: m.Target.PID, Go: m.Target.Go, BuildID: m.Target.BuildID}
	out.Recorded.Mode, out.Recorded.Kernel, out.Recorded.Arch = m.Mode, m.Kernel, m.Arch
	out.Recorded.Host, out.Recorded.Tool = m.Host, m.Tool
	if !m.Started.IsZero() {
		started := m.Started.UTC()
		out.Recorded.Started = &started
	}
	for _, m := range metas {
		for part, why := range m.Unmeasured {
			out.Unmeasured[part] = why
		}
	}
}

// programRows gives the rows that a program is shown: all, unless a limit was
// asked for.
func programRows(s *report.Section, o Options) []*report.Row {
	limit := len(s.Rows)
	if o.Top > 0 {
		limit = min(limit, o.Top)
	}
	rows := make([]*report.Row, limit)
	for i := range rows {
		rows[i] = &s.Rows[i]
	}
	return rows
}

func jsonTotals(r *report.Report) json.RawMessage {
	o := object{}
	for _, m := range report.Measures() {
		if m.InTotals {
			o.measure(m, &r.Totals)
		}
	}
	o.field("lost", r.Events.Lost)
	if r.Events.Overhead >= 0 {
		o.field("overhead_percent", math.Round(r.Events.Overhead*1000)/1000)
	} else {
		o.field("overhead_percent", nil)
	}
	return o.bytes()
}

// jsonRow is one row; its fields are the keys and the table of measures.
type jsonRow struct {
	section  *report.Section
	row      *report.Row
	measures []report.Measure
}

// MarshalJSON implements [json.Marshaler].
func (r jsonRow) MarshalJSON() ([]byte, error) {
	key := object{}
	for i, k := range r.section.By {
		text := r.row.Key[i]
		switch {
		case k.Numeric && text == "", r.row.Other:
			key.field(string(k.Name), nil)
		case k.Numeric:
			key.field(string(k.Name), json.Number(text))
		default:
			key.field(string(k.Name), text)
		}
	}
	o := object{}
	o.field("key", json.RawMessage(key.bytes()))
	for _, m := range r.measures {
		o.measure(m, r.row)
	}
	if r.row.Other {
		o.field("others", true)
	}
	return o.bytes(), nil
}

// object writes a JSON object whose fields keep their order.
type object struct{ buf bytes.Buffer }

func (o *object) field(name string, value any) {
	if o.buf.Len() > 0 {
		o.buf.WriteByte(',')
	}
	o.write(name)
	o.buf.WriteByte(':')
	o.write(value)
}

// write encodes a value of this file's making: text, a number, null.
func (o *object) write(value any) {
	text, err := json.Marshal(value)
	if err != nil {
		text = []byte("null")
	}
	o.buf.Write(text)
}

func (o *object) measure(m report.Measure, r *report.Row) {
	if value, ok := m.Value(r); ok {
		o.field(m.Name, value)
	} else {
		o.field(m.Name, nil)
	}
}

func (o *object) bytes() []byte {
	return append(append([]byte{'{'}, o.buf.Bytes()...), '}')
}
