package truth_test

import (
	"bytes"
	runtimetrace "runtime/trace"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netpolltrace/netpolltrace/internal/truth"
	"github.com/netpolltrace/netpolltrace/wait"
)

// A goroutine waits for one that waits for one that sleeps: the cause is the timer, by
// way of both.
func TestCausesFollowWhoEndedAWait(t *testing.T) {
	const sleep = 20 * time.Millisecond
	var text bytes.Buffer
	if err := runtimetrace.Start(&text); err != nil {
		t.Fatal(err)
	}
	near, far := make(chan int), make(chan int)
	go func() { near <- <-far }()
	go func() {
		time.Sleep(sleep)
		far <- 1
	}()
	<-near
	runtimetrace.Stop()

	traced, err := truth.Read(bytes.NewReader(text.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	activities, err := truth.ReadActivities(&text)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(traced.Waits, func(w truth.Wait) bool {
		return w.Reason == "chan receive" && slices.ContainsFunc(w.Frames, func(f wait.Frame) bool { return strings.HasSuffix(f.Func, ".TestCausesFollowWhoEndedAWait") })
	})
	if i < 0 {
		t.Fatal("the trace has no such wait")
	}
	w := &traced.Waits[i]
	var sum, timer time.Duration
	for _, c := range activities.CausesOf(w) {
		sum += c.Time
		if c.Doing == truth.DoingTimer {
			timer += c.Time
			if len(c.Chain) != 2 || c.Chain[0] != w.Waker {
				t.Errorf("the goroutine that slept was reached by way of %v, want two, the first %d", c.Chain, w.Waker)
			}
		}
	}
	if want := time.Duration(w.Runnable - w.Park); sum != want {
		t.Errorf("the causes add up to %v of %v", sum, want)
	}
	if timer < sleep*8/10 {
		t.Errorf("%v of %v was for the timer", timer, sum)
	}
}
