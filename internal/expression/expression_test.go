package expression_test

import (
	"strings"
	"testing"
	"time"

	"github.com/netpolltrace/netpolltrace/internal/expression"
)

type env struct {
	Total   time.Duration
	Netpoll time.Duration // -1 is null, as below
	Sched   time.Duration
	FD      int
	Peer    string
	Before  bool
}

func fields() []expression.Field[env] {
	return []expression.Field[env]{
		expression.Always("total", func(e *env) time.Duration { return e.Total }),
		expression.Nullable("netpoll", func(e *env) (time.Duration, bool) { return e.Netpoll, e.Netpoll >= 0 }),
		expression.Nullable("sched", func(e *env) (time.Duration, bool) { return e.Sched, e.Sched >= 0 }),
		expression.Nullable("fd", func(e *env) (int, bool) { return e.FD, e.FD >= 0 }),
		expression.Always("peer", func(e *env) string { return e.Peer }),
		expression.Always("started_before", func(e *env) bool { return e.Before }),
	}
}

func TestMatch(t *testing.T) {
	const ms = time.Millisecond
	measured := env{Total: 10 * ms, Netpoll: 2 * ms, Sched: 500 * time.Microsecond, FD: 7, Peer: "db:5432"}
	unmeasured := env{Total: 10 * ms, Netpoll: -1, Sched: -1, FD: -1, Peer: "2ms"}
	tests := []struct {
		text       string
		measured   bool
		unmeasured bool
	}{
		{`total > 9ms`, true, true},
		{`total > 10ms`, false, false},
		{`total >= 0.01s`, true, true},
		{`total == 10ms && peer == "db:5432"`, true, false},
		{`total < 1h30m`, true, true},
		{`total > 9999us && total > 9999µs`, true, true},
		{`total>.009s`, true, true},
		{`peer == "2ms"`, false, true},
		{`peer == '2ms' // 3ms`, false, true},
		{"peer == `2ms` /* 3ms */", false, true},
		{`peer contains "db"`, true, false},
		{`peer in ["db:5432", "x"]`, true, false},
		{`not started_before`, true, true},
		// A comparison with null is false, whichever it is.
		{`netpoll > 1ms`, true, false},
		{`netpoll < 3ms`, true, false},
		{`netpoll == 2ms`, true, false},
		{`netpoll != 7ms`, true, false},
		{`netpoll in [2ms]`, true, false},
		{`3ms > netpoll`, true, false},
		{`netpoll + sched > 2ms`, true, false},
		{`max(netpoll, sched) < 1s`, true, false},
		{`-1 < fd`, true, false},
		{`fd in 1..9`, true, false},
		{`!(netpoll > 3ms)`, true, true},
		{`netpoll > 1ms || total > 1ms`, true, true},
		// Arithmetic on durations.
		{`netpoll / total == 0.2`, true, false},
		{`total / 2 == 5ms`, true, true},
		{`total * 0.5 == 5ms && 0.5 * total == 5ms && 2 * total == 20ms`, true, true},
	}
	for _, test := range tests {
		t.Run(test.text, func(t *testing.T) {
			p, err := expression.Compile(test.text, fields())
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range []struct {
				name string
				env  env
				want bool
			}{{"measured", measured, test.measured}, {"unmeasured", unmeasured, test.unmeasured}} {
				got, err := p.Match(&c.env)
				if err != nil || got != c.want {
					t.Errorf("%s: %v, %v; want %v", c.name, got, err, c.want)
				}
			}
		})
	}
}

func TestCompileErrors(t *testing.T) {
	tests := []struct{ text, want string }{
		{`tota > 2ms`, "column 1: unknown name tota (did you mean total?)"},
		{`total > 2ms && per == "x"`, "column 16: unknown name per (did you mean peer?)"},
		{`total > 1ms && total > 2ms && per == "x"`, "column 31: unknown name per (did you mean peer?)"},
		{`total > 5`, "column 7: invalid operation: > (mismatched types duration and int), a duration needs a unit, as in 5ms"},
		{`total > fd`, "column 7: invalid operation: > (mismatched types duration and int), a duration needs a unit, as in 5ms"},
		{`peer > 3`, "column 6: invalid operation: > (mismatched types string and int)"},
		{`total`, "this is no condition: compare it with something, as in total > 2ms"},
		{`total >`, "column 7: something is missing at the end"},
		{``, "column 1: something is missing at the end"},
		{`peer = "x"`, "column 6: one = compares nothing: write =="},
		{`peer ? true : false`, "column 1: this is no condition: compare it with something, as in total > 2ms"},
		{`peer == "x" AND fd > 2`, `column 13: "AND" is not expected here: conditions are joined by && or ||, and texts are in quotes`},
		{`(peer == "x"))`, `column 14: ")" is not expected here: conditions are joined by && or ||, and texts are in quotes`},
		{`colour == 1`, "column 1: unknown name colour"},
		{`total > 2msx`, `column 10: bad number syntax: "2m"`},
		{`total > 99999999999h`, `column 20: bad number syntax: "99999999999h"`},
		{`peer == "2ms`, "column 13: the text has no closing quote"},
		{`let x = netpoll; x > 2ms`, "column 5: only conditions on what waits have are understood here"},
		{`filter([1], true) == [1]`, "column 13: only conditions on what waits have are understood here"},
		{`duration(peer) > 1ms`, "column 1: a duration is written as a constant, such as 2ms"},
		{`duration("x") > 1ms`, `column 1: time: invalid duration "x"`},
		{`peer matches "("`, "column 6: error parsing regexp: missing closing ): `(`"},
	}
	for _, test := range tests {
		t.Run(test.text, func(t *testing.T) {
			_, err := expression.Compile(test.text, fields())
			if err == nil || err.Error() != test.want {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
		})
	}
}

func TestCompileIsBounded(t *testing.T) {
	for name, text := range map[string]string{
		"length": strings.Repeat(" ", 5000) + "true",
		"nodes":  "true" + strings.Repeat("&&true", 600),
		"depth":  strings.Repeat("(", 4000),
	} {
		if _, err := expression.Compile(text, fields()); err == nil {
			t.Errorf("%s: compiled", name)
		}
	}
}

func TestMatchWithoutResult(t *testing.T) {
	p, err := expression.Compile(`7 % fd == 1`, fields())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Match(&env{FD: 0}); err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v, want an error of one line", err)
	}
}

func FuzzCompile(f *testing.F) {
	for _, text := range []string{`total > 2ms`, `"2ms`, `1..2ms`, "`", `/* 2ms`, `netpoll in [1h2m]`, `.5s`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := expression.Compile(text, fields())
		if err != nil {
			return
		}
		_, _ = p.Match(&env{Netpoll: -1})
	})
}

func BenchmarkMatch(b *testing.B) {
	p, err := expression.Compile(`total > 2ms && peer == "db:5432"`, fields())
	if err != nil {
		b.Fatal(err)
	}
	e := env{Total: 3 * time.Millisecond, Peer: "db:5432"}
	b.ReportAllocs()
	for b.Loop() {
		if ok, err := p.Match(&e); !ok || err != nil {
			b.Fatal(ok, err)
		}
	}
}
