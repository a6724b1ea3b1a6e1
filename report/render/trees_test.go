package render_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/netpolltrace/netpolltrace/explain"
	"github.com/netpolltrace/netpolltrace/report/render"
	"github.com/netpolltrace/netpolltrace/wait"
)

// hostileTrees is one wait of a program whose names act upon terminals.
func hostileTrees() []explain.Node {
	began := time.Unix(1_700_000_000, 0)
	stack := &wait.Stack{Func: "main.\x1b[2Jget", Line: "/srv/main.go:77", Own: "main.main;main.handle;main.\x1b[2Jget"}
	return []explain.Node{{
		Goid: 38, From: began, Time: 100 * ms, Wait: &wait.Wait{Reason: "select", Stack: stack},
		Waker: []explain.Node{
			{Goid: 87, From: began, Time: 25 * ms, Parts: []wait.Cause{{Kind: wait.CauseRunning, Line: "/srv/main.go:9", Time: 25 * ms}}},
			{
				Goid: 87, From: began.Add(25 * ms), Time: 50 * ms, Wait: &wait.Wait{Reason: wait.ReasonIO, Op: wait.OpRead, Peer: "db:5432", Stack: stack},
				Parts: []wait.Cause{{Kind: wait.CauseNetwork, Peer: "db\x07:5432", Time: 50 * ms}},
			},
		},
		Parts: []wait.Cause{{Kind: wait.CauseSched, Time: 25 * ms}},
	}}
}

func TestTreesForPeople(t *testing.T) {
	var out bytes.Buffer
	if err := render.Trees(&out, hostileTrees(), &render.LeftOut{}, time.Unix(1_700_000_000, 0).Add(-3*time.Second), render.Options{}); err != nil {
		t.Fatal(err)
	}
	const want = `100.0 ms  goroutine 38  select at main.main > main.handle > main.\x1b[2Jget main.go:77  (3.0 s after the start)
  ██████··················   25.0 ms  running, up to main.go:9  (goroutine 87)
  ······████████████······   50.0 ms  network of db\a:5432  main.\x1b[2Jget main.go:77  (goroutine 87)
  ··················██████   25.0 ms  sched: runnable until it ran
`
	if got := out.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestTreesForPrograms(t *testing.T) {
	var out bytes.Buffer
	if err := render.TreesJSON(&out, hostileTrees()); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(out.String(), "\x1b\x07") {
		t.Errorf("control characters in %q", out.String())
	}
	var document struct {
		Version int
		Waits   []struct {
			Goroutine uint64
			NS        int64
			Waker     []struct {
				Parts []struct {
					Cause string
					NS    int64
				}
			}
		}
	}
	if err := json.Unmarshal(out.Bytes(), &document); err != nil {
		t.Fatal(err)
	}
	if len(document.Waits) != 1 || document.Waits[0].NS != int64(100*ms) || len(document.Waits[0].Waker) != 2 ||
		document.Waits[0].Waker[1].Parts[0].Cause != "network" || document.Waits[0].Waker[1].Parts[0].NS != int64(50*ms) {
		t.Errorf("got %+v", document)
	}
}

func TestNoTrees(t *testing.T) {
	var out bytes.Buffer
	if err := render.Trees(&out, nil, &render.LeftOut{}, time.Time{}, render.Options{}); err != nil || out.String() != "No wait to explain: there is none.\n" {
		t.Errorf("%q, %v", out.String(), err)
	}
}
