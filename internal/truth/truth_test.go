package truth_test

import (
	"bytes"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/netpolltrace/netpolltrace/internal/testprogram"
	"github.com/netpolltrace/netpolltrace/internal/truth"
	"github.com/netpolltrace/netpolltrace/wait"
)

const rounds = 30

// traced is a trace that the program truthful made of itself, with the time
// before and after by our own clock.
type traced struct {
	*truth.Trace
	before, after int64
}

func trace(t *testing.T, toolchain string) traced {
	t.Helper()
	path, err := testprogram.Build{Go: toolchain}.Program(t.Context(), "truthful", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	program, err := testprogram.Start(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	file := filepath.Join(t.TempDir(), "trace")
	before := monotonic(t)
	if _, err := program.Do("run", strconv.Itoa(rounds), file); err != nil {
		t.Fatal(err)
	}
	after := monotonic(t)
	read, err := truth.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return traced{read, before, after}
}

func monotonic(t *testing.T) int64 {
	t.Helper()
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		t.Fatal(err)
	}
	return now.Nano()
}

func TestTraceOfALiveProgram(t *testing.T) {
	checkTrace(t, trace(t, ""))
}

// Until Go 1.21 a trace has its own clock and another format; new releases may
// bring a third.
func TestTracesOfReleases(t *testing.T) {
	for _, release := range testprogram.Releases(t) {
		t.Run(release, func(t *testing.T) { checkTrace(t, trace(t, release)) })
	}
}

func checkTrace(t *testing.T, of traced) {
	t.Run("times are CLOCK_MONOTONIC", func(t *testing.T) {
		if of.Start < of.before || of.End > of.after || of.ClockError > 100*time.Microsecond {
			t.Errorf("trace from %d to %d (within %v), made between %d and %d",
				of.Start, of.End, of.ClockError, of.before, of.after)
		}
	})
	t.Run("moments are in order", func(t *testing.T) { checkOrder(t, of.Trace) })
	t.Run("each kind of wait is there", func(t *testing.T) { checkKinds(t, of.Trace) })
	t.Run("the idle reader is cut at both ends", func(t *testing.T) {
		if of.CutStart < 1 || of.CutEnd < 1 {
			t.Errorf("%d waits were cut at the start and %d at the end, want some at each", of.CutStart, of.CutEnd)
		}
	})
	t.Run("a recording of the same matches whole", func(t *testing.T) { checkAgainstItself(t, of.Trace) })
}

func checkOrder(t *testing.T, of *truth.Trace) {
	last := make(map[uint64]int64)
	for _, w := range of.Waits {
		if w.Park < last[w.Goid] || w.Runnable < w.Park || w.Running < w.Runnable {
			t.Errorf("goroutine %d ran until %d, parked at %d, was runnable at %d and ran at %d",
				w.Goid, last[w.Goid], w.Park, w.Runnable, w.Running)
		}
		last[w.Goid] = w.Running
	}
}

// checkKinds: each function of the program that waits did so in its way, once
// a round. A read may find its data there already, so half of them is enough;
// where the wait is the point, all are wanted.
func checkKinds(t *testing.T, of *truth.Trace) {
	seen := make(map[string]int)
	for _, w := range of.Waits {
		for _, f := range w.Frames {
			seen[f.Func+" "+w.Reason]++
		}
	}
	for kind, atLeast := range map[string]int{
		"main.tcpRead network":                     rounds / 2,
		"main.unixRead network":                    rounds / 2,
		"main.udpRead network":                     rounds / 2,
		"main.pipeRead network":                    rounds / 2,
		"main.fill network":                        rounds / 2,
		"main.acceptAndConnect network":            1,
		"net.(*TCPListener).Accept network":        rounds / 2,
		"main.readDeadline network":                rounds,
		"main.writeDeadline network":               rounds,
		"main.forcedDeadline network":              rounds,
		"main.closeUnderReader network":            rounds,
		"net/http.(*persistConn).readLoop network": rounds / 2,
		"main.sleep sleep":                         rounds,
		"main.channelReceive chan receive":         rounds / 2,
		"main.channelSend chan send":               rounds / 2,
		"main.selectOfTwo select":                  rounds / 2,
		"main.condWait sync.(*Cond).Wait":          rounds / 2,
		"main.waitGroup sync":                      rounds / 2,
		"main.contend.func1 sync":                  rounds,
	} {
		if seen[kind] < atLeast {
			t.Errorf("%d waits of %s, want at least %d", seen[kind], kind, atLeast)
		}
	}
}

// checkAgainstItself turns the trace into a recording, spoils that in a known
// way, and wants just this to be found. Of waits whose times are made up it cannot
// be: which of several is missing is not known.
func checkAgainstItself(t *testing.T, of *truth.Trace) {
	const wallClock = 1_000_000_000_000
	reasons := map[string]string{"network": "IO wait", "sync": "semacquire", "sync.(*Cond).Wait": "sync.Cond.Wait"}
	var ours truth.Gather
	dropped := 0
	judged := truth.Match(of, nil, truth.Options{Reasons: truth.ProgramReasons()}).Missing
	for i, w := range judged {
		if i%100 == 50 && !w.Squeezed {
			dropped++
			continue
		}
		reason := w.Reason
		if other, ok := reasons[reason]; ok {
			reason = other
		}
		if err := ours.Wait(&wait.Wait{
			Kind: wait.KindWait, Goid: w.Goid, Reason: reason, Start: w.Park + wallClock,
			Total: time.Duration(w.Running - w.Park), Sched: time.Duration(w.Running - w.Runnable),
			Blocked: time.Duration(w.Runnable - w.Park), Network: wait.Unmeasured, Netpoll: wait.Unmeasured,
		}); err != nil {
			t.Fatal(err)
		}
	}
	result := truth.Match(of, ours.Waits, truth.Options{Reasons: truth.ProgramReasons(), WallClock: wallClock})
	if len(result.Missing) != dropped || len(result.Extra) != 0 || len(result.WrongReason) != 0 ||
		result.Total.Difference(0) != 0 || result.Total.Difference(1) != 0 {
		t.Errorf("dropped %d, got\n%v", dropped, result)
	}
}

func TestWhatIsNoTraceIsRefused(t *testing.T) {
	for name, input := range map[string]string{"empty": "", "text": "hello, this is not a trace at all", "cut": "go 1.22 trace\x00\x00\x00\x01"} {
		if _, err := truth.Read(bytes.NewReader([]byte(input))); err == nil {
			t.Errorf("%s: read without an error", name)
		}
	}
}
