package explain_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/netpolltrace/netpolltrace/explain"
	"github.com/netpolltrace/netpolltrace/wait"
)

// lines keeps at which lines the waits were that it is handed, and for whom.
type lines []string

func (l *lines) Wait(w *wait.Wait) error {
	if w.Kind == wait.KindHandoff {
		return nil
	}
	text := w.Stack.Line
	if w.Explanation.For != "" {
		text += " for " + string(w.Explanation.For)
	}
	*l = append(*l, fmt.Sprintf("%s %v", text, w.Total))
	return nil
}

func (l *lines) Event(*wait.Event) error { return nil }

// In mode io a handoff tells for whom a library's goroutine had waited.
func TestHandoffs(t *testing.T) {
	reader := func(goid uint64, length time.Duration) *wait.Wait {
		w := network(goid, 0, length, 0, 0, "shipping:80")
		w.Role = wait.RoleDialed
		return w
	}
	handoff := func(to, from uint64, stack *wait.Stack) *wait.Wait {
		w := wait.Empty()
		w.Kind, w.Process, w.Goid, w.WakerGoid, w.Stack, w.StartFunc = wait.KindHandoff, program, to, from, stack, "main.handle"
		return &w
	}
	own := &wait.Stack{Line: "api.go:32", Func: "main.f", Own: "main.f"}
	library := &wait.Stack{Line: "other.go:1", Func: "lib.g"}
	first := handoff(90, 91, own)
	for name, test := range map[string]struct {
		records []*wait.Wait
		want    []string
	}{
		"to code of the program": {[]*wait.Wait{first, reader(2, ms), handoff(1, 2, own)}, []string{"api.go:32 for main 1ms"}},
		"to one that serves a request": {[]*wait.Wait{first, served(10, 0), reader(2, ms), handoff(10, 2, own)},
			[]string{"conn.go:10 for request 1ms", "api.go:32 for request 1ms"}},
		"to a library's goroutine": {[]*wait.Wait{first, reader(2, ms), handoff(1, 2, library)}, []string{"conn.go:2 1ms"}},
		"to nobody":                {[]*wait.Wait{first, reader(2, ms)}, []string{"conn.go:2 1ms"}},
		"of the latest wait":       {[]*wait.Wait{first, reader(2, ms), reader(2, 2*ms), handoff(1, 2, own)}, []string{"conn.go:2 1ms", "api.go:32 for main 2ms"}},
		"of another goroutine":     {[]*wait.Wait{first, reader(2, ms), handoff(1, 3, own)}, []string{"conn.go:2 1ms"}},
		"a second one of one wait": {[]*wait.Wait{first, reader(2, ms), handoff(1, 2, own), handoff(1, 2, own)}, []string{"api.go:32 for main 1ms"}},
		"the first that a recording has": {[]*wait.Wait{reader(2, ms), first, reader(2, 2*ms), handoff(1, 2, own)},
			[]string{"conn.go:2 1ms", "api.go:32 for main 2ms"}},
	} {
		t.Run(name, func(t *testing.T) {
			var got lines
			stage := explain.NewStage(&got)
			stage.Begin(&wait.Meta{Targets: []wait.Target{{PID: int(program.PID), Mode: wait.ModeIO}}})
			for _, w := range test.records {
				if err := stage.Wait(w); err != nil {
					t.Fatal(err)
				}
			}
			if err := stage.Flush(); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
		})
	}
}

// All waits arrive, however many goroutines there are.
func TestWaitsThatAreHeldBackArrive(t *testing.T) {
	var got lines
	stage := explain.NewStage(&got)
	stage.Begin(&wait.Meta{Targets: []wait.Target{{PID: int(program.PID), Mode: wait.ModeIO}}})
	handoff := wait.Empty()
	handoff.Kind, handoff.Process, handoff.Goid, handoff.WakerGoid = wait.KindHandoff, program, 1, 2
	if err := stage.Wait(&handoff); err != nil {
		t.Fatal(err)
	}
	const goroutines = 10_000
	for goid := range uint64(goroutines) {
		w := network(goid+3, 0, ms, 0, 0, "shipping:80")
		w.Role = wait.RoleDialed
		if err := stage.Wait(w); err != nil {
			t.Fatal(err)
		}
	}
	if err := stage.Flush(); err != nil || len(got) != goroutines {
		t.Errorf("%d of %d waits arrived, %v", len(got), goroutines, err)
	}
}
