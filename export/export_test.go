package export_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netpolltrace/netpolltrace/export"
	"github.com/netpolltrace/netpolltrace/report/render"
	"github.com/netpolltrace/netpolltrace/wait"
	"github.com/netpolltrace/netpolltrace/wait/column"
)

// wrote is what a format makes of waits.
func wrote(t *testing.T, format string, waits ...wait.Wait) string {
	t.Helper()
	f, err := export.ByName(format)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w := f.New(&out)
	for i := range waits {
		if err := w.Wait(&waits[i]); err != nil {
			t.Fatal(err)
		}
		if err := w.Event(&wait.Event{Kind: wait.EventLost, Count: 1}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// full is a wait of which much is known, and of a peer with a hostile name.
func full() wait.Wait {
	w := wait.Empty()
	w.Kind, w.Start = wait.KindWait, time.Date(2026, 11, 23, 12, 0, 0, 1, time.UTC).UnixNano()
	w.Total, w.Network, w.Sched = 10*time.Microsecond, 7*time.Microsecond, 0
	w.Process = &wait.Process{Host: "node-1", Name: "api", PID: 4171}
	w.Goid, w.FD, w.Peer, w.StartedBefore = 17, 0, "\x1b[2Jdb:5432\u202e", true
	w.Stack = &wait.Stack{Funcs: `main.main;main.(*T[go.shape."x"]).get`, Line: "/app/get.go:7", Func: "main.get"}
	w.HasTCP, w.RTT = true, 300
	return w
}

func TestHandoffsAreNoWaits(t *testing.T) {
	handoff := wait.Empty()
	handoff.Kind = wait.KindHandoff
	if text := wrote(t, "jsonl", handoff); text != "" {
		t.Errorf("a handoff was exported: %s", text)
	}
}

// Each wait is a line, with every column: null is what is not known, and a
// measured 0 is a 0.
func TestJSONLines(t *testing.T) {
	text := wrote(t, "jsonl", full(), wait.Empty())
	for _, harmful := range []string{"\x1b", "\u202e"} {
		if strings.Contains(text, harmful) {
			t.Errorf("%q is not escaped", harmful)
		}
	}
	var rows []map[string]any
	for line := range strings.Lines(text) {
		var row map[string]any
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		rows = append(rows, row)
	}
	if len(rows) != 2 {
		t.Fatalf("%d lines of 2 waits", len(rows))
	}
	for name, want := range map[string]any{
		"kind": "wait", "start": "2026-11-23T12:00:00.000000001Z", "total_ns": 10000.0, "network_ns": 7000.0, "netpoll_ns": nil,
		"sched_ns": 0.0, "unsplit_ns": 3000.0, "process": "api", "pid": 4171.0, "goid": 17.0, "fd": 0.0, "p": nil,
		"peer": "\x1b[2Jdb:5432\u202e", "rtt_us": 300.0, "started_before": true, "outcome": nil,
		"stack": `main.main;main.(*T[go.shape."x"]).get`, "line": "/app/get.go:7", "func": "main.get",
	} {
		if got, ok := rows[0][name]; !ok || got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	columns := 0
	for _, c := range column.Table() {
		if c.Name == "" {
			continue
		}
		columns++
		for i, row := range rows {
			if _, ok := row[c.FullName()]; !ok {
				t.Errorf("line %d has no %s", i+1, c.FullName())
			}
		}
	}
	if len(rows[0]) != columns {
		t.Errorf("%d fields of %d columns", len(rows[0]), columns)
	}
}

func TestFormatsAreFound(t *testing.T) {
	for path, want := range map[string]string{"waits.jsonl": "jsonl", "a/b.c.ndjson": "jsonl"} {
		if f, err := export.ByPath(path); err != nil || f.Name != want {
			t.Errorf("%s: %q, %v", path, f.Name, err)
		}
	}
	for name, err := range map[string]error{
		`no export has the extension of "waits.xml"; extensions: .jsonl .ndjson`: second(export.ByPath("waits.xml")),
		`unknown format "xml"; formats: jsonl`:                                   second(export.ByName("xml")),
	} {
		if err == nil || err.Error() != name {
			t.Errorf("got %v, want %s", err, name)
		}
	}
}

// One extension means one thing, whether a report or each wait is written.
func TestExtensionsAreGivenOnce(t *testing.T) {
	all := append(export.Extensions(), render.Extensions()...)
	slices.Sort(all)
	if once := slices.Compact(slices.Clone(all)); len(once) != len(all) {
		t.Errorf("two formats have the same extension: %v", all)
	}
}

func second(_ export.Format, err error) error { return err }

var errFull = errors.New("no space left")

type disk struct{}

func (disk) Write([]byte) (int, error) { return 0, errFull }

// What cannot be written is an error, at the latest when the writer is closed.
func TestWritersReportErrors(t *testing.T) {
	for _, f := range export.Formats() {
		w := f.New(disk{})
		one := full()
		if err := errors.Join(w.Wait(&one), w.Close()); !errors.Is(err, errFull) {
			t.Errorf("%s: %v", f.Name, err)
		}
	}
}

func BenchmarkWriters(b *testing.B) {
	for _, f := range export.Formats() {
		b.Run(f.Name, func(b *testing.B) {
			w := f.New(io.Discard)
			one := full()
			one.Peer = "db:5432"
			b.ReportAllocs()
			for b.Loop() {
				if err := w.Wait(&one); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
