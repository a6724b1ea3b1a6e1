package render_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/olekukonko/tablewriter/pkg/twwidth"

	"github.com/netpolltrace/netpolltrace/report"
	"github.com/netpolltrace/netpolltrace/report/render"
	"github.com/netpolltrace/netpolltrace/wait"
)

// recordings lists all that the tests of this package know.
func recordings() map[string]*recording {
	all := map[string]*recording{
		"checkout": checkout(), "all": allMode(), "light": lightMode(), "unmeasured": unmeasured(), "empty": newRecording("io"),
		"only idle": onlyIdle(), "only open": onlyOpen(), "lossy": lossy(), "groups": manyGroups(), "hostile": hostile(), "parked": parked(),
	}
	return all
}

// No line is wider than the terminal, from 60 columns on.
func TestTablesFit(t *testing.T) {
	options := []report.Options{{}, {Idle: true}, byOpen()}
	for _, keys := range []string{"peer", "line", "stack", "goroutine", "peer_ip,line,op", "start,func"} {
		by, err := report.ParseKeys(keys)
		if err != nil {
			t.Fatal(err)
		}
		options = append(options, report.Options{By: by})
	}
	for name, recording := range recordings() {
		for _, o := range options {
			r := recording.build(t, o)
			r.Findings = checkoutFindings()
			for _, width := range []int{60, 80, 100, 120, 200} {
				for _, format := range []string{"table", "open"} {
					for line := range strings.Lines(string(rendered(t, r, format, render.Options{Width: width}))) {
						line = strings.TrimSuffix(line, "\n")
						if twwidth.Width(line) > width {
							t.Errorf("%s by %s at %d as %s: %d columns: %q", name, o.By, width, format, twwidth.Width(line), line)
						}
					}
				}
			}
		}
	}
}

// Nothing that a terminal would act upon reaches it, in any format.
func TestNoControlCharacters(t *testing.T) {
	r := hostile().build(t, report.Options{})
	r.Findings = []report.Finding{{ID: "x", Title: "Bad\x1b[2J", Subject: "\x9b2J", Sentences: []string{"\x1b[2J \u202e\u200b \U000e0001"}}}
	r.Damage = []string{"at \x1b[2J"}
	for _, format := range render.Formats() {
		out := rendered(t, r, format.Name, render.Options{})
		if !utf8.Valid(out) {
			t.Errorf("%s is not UTF-8", format.Name)
		}
		for _, c := range string(out) {
			if c != '\n' && (c < ' ' || c == 0x7f || c >= 0x80 && c < 0xa0 || c == 0x202e || c == 0x200b || c == 0xe0001) {
				t.Errorf("%s holds %U", format.Name, c)
			}
		}
	}
}

func TestJSONSums(t *testing.T) {
	for name, recording := range recordings() {
		r := recording.build(t, report.Options{})
		var got struct {
			Totals map[string]*float64
			Rows   []map[string]json.RawMessage
		}
		if err := json.Unmarshal(rendered(t, r, "json", render.Options{}), &got); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if want := len(r.Table.Rows); len(got.Rows) != want {
			t.Errorf("%s: %d rows, want %d", name, len(got.Rows), want)
		}
		rows := []map[string]float64{numbers(got.Totals)}
		for _, row := range got.Rows {
			fields := map[string]*float64{}
			for field, value := range row {
				var number *float64
				if field == "causes" { // a list; report's tests hold it against blocked
					continue
				}
				if field != "key" && json.Unmarshal(value, &number) != nil {
					t.Errorf("%s: %s is %s", name, field, value)
				}
				fields[field] = number
			}
			rows = append(rows, numbers(fields))
		}
		var total float64
		for i, row := range rows {
			if sum := row["network_ns"] + row["netpoll_ns"] + row["blocked_ns"] + row["sched_ns"] + row["unsplit_ns"]; sum != row["total_ns"] {
				t.Errorf("%s: row %d: parts are %v, total is %v", name, i, sum, row["total_ns"])
			}
			if i > 0 {
				total += row["total_ns"]
			}
		}
		if total != rows[0]["total_ns"] {
			t.Errorf("%s: rows are %v, totals %v", name, total, rows[0]["total_ns"])
		}
	}
}

// numbers leaves out nulls: they add nothing.
func numbers(fields map[string]*float64) map[string]float64 {
	known := map[string]float64{}
	for name, value := range fields {
		if value != nil {
			known[name] = *value
		}
	}
	return known
}

func TestCSVIsRegular(t *testing.T) {
	for name, recording := range recordings() {
		r := recording.build(t, report.Options{})
		records, err := csv.NewReader(bytes.NewReader(rendered(t, r, "csv", render.Options{}))).ReadAll()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, record := range records {
			for _, cell := range record[:3] {
				if cell != "" && strings.ContainsAny(cell[:1], "=+-@\t\r") {
					t.Errorf("%s: a formula: %q", name, cell)
				}
			}
		}
	}
}

func TestTop(t *testing.T) {
	r := manyGroups().build(t, report.Options{By: []report.Key{report.KeyGoroutine}})
	lines := func(format string, top int) int {
		return strings.Count(string(rendered(t, r, format, render.Options{Top: top})), "\n")
	}
	if got := lines("csv", 0); got != 31 {
		t.Errorf("CSV has %d lines, want a header and 30", got)
	}
	if got := lines("csv", 3); got != 4 {
		t.Errorf("CSV of 3 has %d lines", got)
	}
	if all, ten := lines("table", -1), lines("table", 10); all != ten+19 {
		t.Errorf("the table has %d lines for 30 rows and %d for 10 and one more", all, ten)
	}
}

func TestFormats(t *testing.T) {
	for path, want := range map[string]string{"out.md": "markdown", "a/b.json": "json", "x.csv": "csv", "x.folded": "folded", "x.txt": "table"} {
		f, err := render.ByPath(path)
		if err != nil || f.Name != want {
			t.Errorf("%s: %s, %v", path, f.Name, err)
		}
	}
	if _, err := render.ByPath("x.pdf"); err == nil || err.Error() != `no format has the extension of "x.pdf"; extensions: .txt .md .json .csv .folded` {
		t.Errorf("got %v", err)
	}
	if _, err := render.ByName("yaml"); err == nil || err.Error() != `unknown format "yaml"; formats: table, markdown, json, csv, folded, open` {
		t.Errorf("got %v", err)
	}
	folded, err := render.ByName("folded")
	if err != nil {
		t.Fatal(err)
	}
	r := checkout().build(t, report.Options{By: folded.By})
	err = folded.Render(io.Discard, r, render.Options{Value: "cpu"})
	if err == nil || err.Error() != `unknown value "cpu"; values: total, network, netpoll, blocked, sched` {
		t.Errorf("got %v", err)
	}
}

// A format passes on that it could not be written.
func TestWriteErrors(t *testing.T) {
	r := checkout().build(t, report.Options{})
	for _, format := range render.Formats() {
		if err := format.Render(full{}, r, render.Options{}); err == nil {
			t.Errorf("%s: no error", format.Name)
		}
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, fmt.Errorf("no space left") }

// Several recordings are reported as one, and of their modes it is said that
// they differ.
func TestSeveralRecordings(t *testing.T) {
	for mode, want := range map[wait.Mode]string{"io": "mode io", "all": "modes io, all"} {
		one, other := newRecording("io"), newRecording(mode)
		other.meta.Started = other.meta.Started.Add(time.Hour)
		one.end()
		other.end()
		out := string(rendered(t, summedUp(t, report.Options{}, one, other), "table", render.Options{}))
		if want := "checkout-api  2 recordings  go1.24.6  60 s  " + want + "  lost 0\n"; !strings.HasPrefix(out, want) {
			t.Errorf("got %q, want %q", out[:100], want)
		}
	}
}

// Whatever numbers a recording holds, and however narrow the terminal is, each
// format gives something.
func TestExtremes(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 5))
	numbers := []int64{-1 << 63, -2, -1, 0, 1, 1e9, 1<<63 - 1}
	duration := func() time.Duration { return time.Duration(numbers[random.IntN(len(numbers))]) }
	texts := []string{"", "a", ":", ";;", "\x00", "[", "世", strings.Repeat("x", 3000)}
	text := func() string { return texts[random.IntN(len(texts))] }
	for range 200 {
		r := newRecording("io")
		r.cut = random.IntN(2) == 0
		for range random.IntN(20) {
			r.add(1, wait.Wait{
				Kind:  []wait.Kind{wait.KindWait, wait.KindOpen, wait.KindSample, "x"}[random.IntN(4)],
				Total: duration(), Network: duration(), Netpoll: duration(), Blocked: duration(), Sched: duration(), Idle: duration(),
				Goid: random.Uint64(), Count: random.Uint64(), FD: int32(duration()), Op: wait.Op(text()), Role: wait.Role(text()), Peer: text(), Local: text(),
				Stack: &wait.Stack{Funcs: text(), Lines: text(), Line: text(), Func: text()}, StartedBefore: random.IntN(2) == 0,
			})
		}
		r.event(wait.EventLost, duration(), duration(), random.Uint64(), text())
		r.event(wait.EventCPU, duration(), duration(), random.Uint64(), text())
		r.event(wait.EventOverhead, duration(), duration(), random.Uint64(), text())
		for _, o := range []report.Options{{}, {Idle: true}, byOpen(), {By: []report.Key{report.KeyPeerIP, report.KeyLine, report.KeyStart}, MaxGroups: 3}} {
			built := r.build(t, o)
			for _, format := range render.Formats() {
				out := rendered(t, built, format.Name, render.Options{Width: random.IntN(70)})
				if format.Name == "json" && !json.Valid(out) {
					t.Fatalf("not JSON: %s", out)
				}
			}
		}
	}
}
