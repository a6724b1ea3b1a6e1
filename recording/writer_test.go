package recording

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/netpolltrace/netpolltrace/wait"
)

func TestARowReachesTheOutputWithinASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out shared
		w, err := NewWriter(&out, sampleMeta(), Options{})
		put(t, err)
		before := len(out.Bytes())
		wt := sampleWaits()[0]
		put(t, w.Wait(&wt))
		time.Sleep(999 * time.Millisecond) // on the bubble's clock
		synctest.Wait()
		if len(out.Bytes()) != before {
			t.Error("a row was written alone, though another could have come")
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
		if _, got := read(t, out.Bytes()); len(got.waits) != 1 {
			t.Errorf("%d rows are in the output after a second, want 1", len(got.waits))
		}
		put(t, w.Close())
	})
}

// shared is an output that one goroutine may look at while another writes.
type shared struct {
	mu    sync.Mutex
	bytes []byte
}

func (s *shared) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bytes = append(s.bytes, p...)
	return len(p), nil
}

func (s *shared) Bytes() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.Clone(s.bytes)
}

// killedEnv makes the test binary the recorder that is killed.
const killedEnv = "NETPOLLTRACE_TEST_RECORDER"

func TestAKilledRecorderLosesNothingThatIsASecondOld(t *testing.T) {
	if os.Getenv(killedEnv) != "" {
		recordForever()
	}
	self, err := os.Executable()
	put(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	recorder := exec.CommandContext(ctx, self, "-test.run=^TestAKilledRecorderLosesNothingThatIsASecondOld$")
	recorder.Env = append(os.Environ(), killedEnv+"=1")
	out, err := recorder.StdoutPipe()
	put(t, err, recorder.Start())
	r, err := NewReader(out, Limits{})
	put(t, err)
	sink := &killer{process: recorder.Process}
	put(t, r.Run(ctx, sink))
	if len(sink.waits) != 3 {
		t.Errorf("%d waits arrived from a recorder that never flushed, want 3", len(sink.waits))
	}
	if r.Damage() == nil || !r.Damage().Cut {
		t.Errorf("a killed recorder's file has damage %v, want a cut", r.Damage())
	}
	if err := recorder.Wait(); err == nil {
		t.Error("the recorder ended by itself; it was to be killed")
	}
}

// recordForever records the sample waits and never ends.
func recordForever() {
	w, err := Create(Standard, sampleMeta(), Options{Interval: 10 * time.Millisecond})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for _, wt := range sampleWaits() {
		if err := w.Wait(&wt); err != nil {
			os.Exit(1)
		}
	}
	select {}
}

// killer kills a process when it has the last of the sample waits.
type killer struct {
	collected
	process *os.Process
}

func (k *killer) Wait(w *wait.Wait) error {
	if err := k.collected.Wait(w); err != nil {
		return err
	}
	if len(k.waits) == len(sampleWaits()) {
		return k.process.Kill()
	}
	return nil
}

// failing fails once it has room no more.
type failing struct {
	room  int
	wrote bytes.Buffer
}

var errNoSpace = errors.New("no space left on device")

func (f *failing) Write(p []byte) (int, error) {
	n := min(len(p), f.room)
	f.room -= n
	f.wrote.Write(p[:n])
	if n < len(p) {
		return n, errNoSpace
	}
	return n, nil
}

func TestAnErrorOfTheOutputStays(t *testing.T) {
	wt := sampleWaits()[0]
	out := &failing{room: 40_000}
	w, err := NewWriter(out, sampleMeta(), Options{})
	put(t, err)
	for err == nil {
		err = errors.Join(w.Wait(&wt), w.Flush())
	}
	for name, err := range map[string]error{
		"the call that failed": err, "Wait": w.Wait(&wt), "Event": w.Event(endOf()), "Flush": w.Flush(), "Close": w.Close(),
	} {
		if !errors.Is(err, errNoSpace) {
			t.Errorf("%s on a full disk returned %v", name, err)
		}
	}
	r, got := read(t, out.wrote.Bytes())
	if r.Damage() == nil || !r.Damage().Cut || len(got.waits) == 0 {
		t.Errorf("what a full disk holds reads as %d waits, damage %v", len(got.waits), r.Damage())
	}
}

func TestAnErrorOfALateFlushComesWithTheNextCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var whole bytes.Buffer
		_, err := NewWriter(&whole, sampleMeta(), Options{})
		put(t, err)
		w, err := NewWriter(&failing{room: whole.Len()}, sampleMeta(), Options{})
		put(t, err)
		wt := sampleWaits()[0]
		put(t, w.Wait(&wt))
		time.Sleep(time.Second) // on the bubble's clock
		synctest.Wait()
		if err := w.Wait(&wt); !errors.Is(err, errNoSpace) {
			t.Errorf("after a flush that failed, Wait returned %v", err)
		}
	})
}

func TestAClosedWriterTakesNoMore(t *testing.T) {
	w, err := NewWriter(io.Discard, sampleMeta(), Options{})
	put(t, err, w.Close(), w.Close())
	wt := sampleWaits()[0]
	if err := w.Wait(&wt); !errors.Is(err, errClosed) {
		t.Errorf("Wait after Close returned %v", err)
	}
}

func TestSeveralGoroutinesMayWrite(t *testing.T) {
	const writers, each = 4, 500
	file := write(t, Options{Interval: time.Microsecond}, func(w *Writer) {
		var all sync.WaitGroup
		for range writers {
			all.Go(func() {
				for i := range each {
					wt := sampleWaits()[0]
					if err := w.Wait(&wt); err != nil {
						t.Error(err)
					}
					if i%100 == 0 {
						if err := w.Flush(); err != nil {
							t.Error(err)
						}
					}
				}
			})
		}
		all.Wait()
	})
	if _, got := read(t, file); len(got.waits) != writers*each {
		t.Errorf("%d waits read, %d written", len(got.waits), writers*each)
	}
}

// A target that never uses a name twice must not fill the recorder's memory.
func TestDictionariesStayBounded(t *testing.T) {
	const rows = 100_000
	file := write(t, Options{}, func(w *Writer) {
		wt := sampleWaits()[0]
		for i := range rows {
			wt.Goid = uint64(i + 1)
			wt.Peer = fmt.Sprintf("peer-%d", i)
			wt.Outcome = wait.Outcome(fmt.Sprintf("outcome-%d", i%500))
			if i%500 == 0 {
				wt.Stack = &wait.Stack{Funcs: strings.Repeat("f", maxList-10) + fmt.Sprint(i)}
			}
			put(t, w.Wait(&wt))
			checkDictionaries(t, w)
		}
		put(t, w.Event(endOf()))
	})
	r, err := NewReader(bytes.NewReader(file), Limits{})
	put(t, err)
	next := 0
	put(t, r.Run(context.Background(), waitFunc(func(w *wait.Wait) error {
		peer, outcome := fmt.Sprintf("peer-%d", next), fmt.Sprintf("outcome-%d", next%500)
		if w.Peer != peer || string(w.Outcome) != outcome || !strings.HasSuffix(w.Stack.Funcs, fmt.Sprint(next/500*500)) {
			return fmt.Errorf("wait %d came back with peer %q, outcome %q", next, w.Peer, w.Outcome)
		}
		next++
		return nil
	})))
	if next != rows || r.Damage() != nil {
		t.Errorf("%d of %d waits came back, damage %v", next, rows, r.Damage())
	}
}

// waitFunc is a sink for waits alone.
type waitFunc func(*wait.Wait) error

func (f waitFunc) Wait(w *wait.Wait) error { return f(w) }
func (waitFunc) Event(*wait.Event) error   { return nil }

func checkDictionaries(t *testing.T, w *Writer) {
	t.Helper()
	for _, e := range w.encoders {
		if e, ok := e.(*textEncoder[int16]); ok {
			if d := e.dictionary; len(d.index) > d.maxTexts || len(d.bytes) > maxDictionaryText+blockRows*d.maxLen {
				t.Fatalf("a dictionary grew to %d texts of %d bytes", len(d.index), len(d.bytes))
			}
		}
	}
}

func TestADictionaryIsWrittenOnlyOnce(t *testing.T) {
	var out bytes.Buffer
	w, err := NewWriter(&out, sampleMeta(), Options{})
	put(t, err)
	sizes := make([]int, 3)
	for batch := range sizes {
		before := out.Len()
		for i := range 2000 {
			wt := sampleWaits()[0]
			wt.Peer = fmt.Sprintf("/run/%x/%d", i*7919, i*104729)
			put(t, w.Wait(&wt))
		}
		wt := sampleWaits()[0]
		wt.Peer = fmt.Sprintf("new in batch %d", batch)
		put(t, w.Wait(&wt), w.Flush())
		sizes[batch] = out.Len() - before
	}
	if sizes[1] > sizes[0]/2 || sizes[2] > sizes[0]/2 {
		t.Errorf("batches with the same 2000 texts have %d bytes: the dictionary was written again", sizes)
	}
	if r, got := read(t, out.Bytes()); len(got.waits) != 3*2001 || got.waits[6002].Peer != "new in batch 2" {
		t.Errorf("%d waits came back, damage %v", len(got.waits), r.Damage())
	}
}

func TestTextsAreCutAndMadeValid(t *testing.T) {
	file := write(t, Options{}, func(w *Writer) {
		for _, peer := range []string{"/run/\xff\xfe", strings.Repeat("é", maxWord), strings.Repeat("é", maxWord) + "!", "a\x00\x1b[31m"} {
			wt := sampleWaits()[0]
			wt.Peer = peer
			put(t, w.Wait(&wt))
		}
	})
	_, got := read(t, file)
	cut := strings.Repeat("é", maxWord/2)
	for i, want := range []string{"/run/\uFFFD", cut, cut, "a\x00\x1b[31m"} {
		if peer := got.waits[i].Peer; peer != want || !utf8.ValidString(peer) {
			t.Errorf("peer %d came back as %q, want %q", i, peer, want)
		}
	}
}

func TestRedactedRecordingsNameNoAddress(t *testing.T) {
	addresses := []struct{ from, to string }{
		{"10.0.0.7:5432", "ip-1:5432"},
		{"[::ffff:10.0.0.7]:80", "ip-1:80"},
		{"[fe80::1%eth0]:443", "ip-2:443"},
		{"192.0.2.1", "ip-3"},
		{"/run/db.sock", "unix-1"},
		{"@hidden", "unix-2"},
		{"/run/db.sock", "unix-1"},
		{"db.example.com:5432", "name-1:5432"},
		{"what is this", "name-2"},
		{"", ""},
	}
	file := write(t, Options{Redact: true}, func(w *Writer) {
		for _, a := range addresses {
			wt := sampleWaits()[0]
			wt.Peer, wt.Local = a.from, a.from
			put(t, w.Wait(&wt))
		}
		event := sampleEvents()[1]
		joined := event
		joined.Kind, joined.Detail = wait.EventTarget, &wait.TargetChange{State: wait.TargetJoined, Target: &sampleMeta().Targets[0]}
		put(t, w.Event(&event), w.Event(&joined))
	})
	r, got := read(t, file)
	for i, a := range addresses {
		if w := got.waits[i]; w.Peer != a.to || w.Local != a.to {
			t.Errorf("%q was redacted to %q and %q, want %q", a.from, w.Peer, w.Local, a.to)
		}
	}
	if host := got.waits[0].Process.Host; host != "host-1" || got.events[0].Process.Host != host || r.Meta().Host != host {
		t.Errorf("the machine is called %q", host)
	}
	if got.waits[0].Labels != "" {
		t.Errorf("the labels are %q", got.waits[0].Labels)
	}
	if !r.Meta().Redacted {
		t.Error("the recording does not say that it was redacted")
	}
	joined := got.events[1].Detail.(*wait.TargetChange)
	for _, target := range []wait.Target{r.Meta().Targets[0], *joined.Target} {
		if target.Exe != "checkout-api" || target.Args != nil {
			t.Errorf("a redacted target is %+v", target)
		}
	}
	if sample := sampleMeta(); sample.Redacted || len(sample.Targets[0].Args) == 0 {
		t.Error("the sample has nothing to redact")
	}
}

func TestARedactorForgetsRatherThanGrows(t *testing.T) {
	r := newRedactor()
	for i := range maxPseudonyms {
		r.address(fmt.Sprintf("10.%d.%d.%d:1", i>>16, i>>8&255, i&255))
	}
	if got := r.address("192.0.2.1:80"); got != "ip-other:80" {
		t.Errorf("the address past the bound is called %q", got)
	}
	if got := r.address("10.0.0.1:2"); got != "ip-2:2" {
		t.Errorf("an address of before is now called %q", got)
	}
}
