package truth

import (
	"errors"
	"testing"
	"time"

	"github.com/netpolltrace/netpolltrace/wait"
)

func TestEachInexactnessIsAFault(t *testing.T) {
	asWanted := Exactness{Between: 2 * time.Microsecond, AtBest: time.Microsecond, Torn: 0.01}
	all := func(change func(*wait.Wait)) func([]wait.Wait) []wait.Wait {
		return func(waits []wait.Wait) []wait.Wait {
			for i := range waits {
				change(&waits[i])
			}
			return waits
		}
	}
	for name, c := range map[string]struct {
		spoil func([]wait.Wait) []wait.Wait
		exact bool
	}{
		"faithful":         {func(w []wait.Wait) []wait.Wait { return w }, true},
		"nothing recorded": {func([]wait.Wait) []wait.Wait { return nil }, false},
		"one missing":      {func(w []wait.Wait) []wait.Wait { return w[1:] }, false},
		"one extra":        {func(w []wait.Wait) []wait.Wait { return append(w, w[0]) }, false},
		"another reason":   {func(w []wait.Wait) []wait.Wait { w[0].Reason = "sleep"; return w }, false},
		"as many torn apart as may be": {func(w []wait.Wait) []wait.Wait {
			all(func(w *wait.Wait) { w.Total += time.Millisecond })(w[:len(w)/100+5])
			return w
		}, true},
		"one more torn apart": {func(w []wait.Wait) []wait.Wait {
			all(func(w *wait.Wait) { w.Total += time.Millisecond })(w[:len(w)/100+6])
			return w
		}, false},
		"best too long": {all(func(w *wait.Wait) { w.Total += 1500 * time.Nanosecond }), false},
		"middle too long": {func(w []wait.Wait) []wait.Wait {
			all(func(w *wait.Wait) { w.Total += 2500 * time.Nanosecond })(w[:len(w)*6/10])
			return w
		}, false},
		"sum too long": {func(w []wait.Wait) []wait.Wait {
			all(func(w *wait.Wait) { w.Total += 50 * time.Microsecond })(w[:300])
			return w
		}, false},
		"a part unmeasured": {all(func(w *wait.Wait) { w.Sched = wait.Unmeasured }), false},
	} {
		t.Run(name, func(t *testing.T) {
			traced := pingPong(1000)
			r := Match(traced, c.spoil(recorded(traced)), Options{Reasons: ProgramReasons(), TornBeyond: tornBeyond, Preempted: 5, Tolerance: tolerance, WallClock: wallClock})
			if err := errors.Join(r.CheckWaits(), r.CheckTimes(asWanted)); (err == nil) != c.exact {
				t.Errorf("the faults are: %v", err)
			}
		})
	}
}

func TestReasonsThatWereNotThereAreAFault(t *testing.T) {
	traced := pingPong(10)
	r := match(traced, recorded(traced))
	if err := r.CheckReasons(NetworkReasons(), 30); err != nil {
		t.Error(err)
	}
	if err := r.CheckReasons(ProgramReasons(), 1); err == nil {
		t.Error("there was no wait but for the network, and no fault was found")
	}
}

func TestOutcomesThatAreNotThereAreAFault(t *testing.T) {
	said := map[string]string{"timeout": "10", "interrupted": "5", "closed": "5"}
	ended := func(timeouts int) []wait.Wait {
		var waits []wait.Wait
		for outcome, n := range map[wait.Outcome]int{wait.OutcomeTimeout: timeouts, wait.OutcomeInterrupted: 5, wait.OutcomeClosed: 5} {
			for range n {
				waits = append(waits, wait.Wait{Outcome: outcome})
			}
		}
		return waits
	}
	if err := CheckOutcomes(ended(10-mostShort), said); err != nil {
		t.Error(err)
	}
	if err := CheckOutcomes(ended(10-mostShort-1), said); err == nil {
		t.Error("too few time-outs were taken for enough")
	}
	if err := CheckOutcomes(ended(10), nil); err == nil {
		t.Error("a program that said nothing was believed")
	}
}

func TestAMistakenWaitIsAFault(t *testing.T) {
	ends := Ends{7: {FD: 3, Role: wait.RoleDialed, Local: "a", Peer: "b"}}
	right := wait.Wait{Kind: wait.KindWait, Op: wait.OpRead, Goid: 7, FD: 3, Role: wait.RoleDialed, Local: "a", Peer: "b"}
	wrong := right
	wrong.Peer = "c"
	if judged, err := ends.Check([]wait.Wait{right}); judged != 1 || err != nil {
		t.Errorf("%d judged, %v", judged, err)
	}
	if judged, err := ends.Check([]wait.Wait{right, wrong}); judged != 2 || err == nil {
		t.Errorf("%d judged, %v; want a fault in 2", judged, err)
	}
}
