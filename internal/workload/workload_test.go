package workload_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime/trace"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/netpolltrace/netpolltrace/internal/truth"
	"github.com/netpolltrace/netpolltrace/internal/workload"
	"github.com/netpolltrace/netpolltrace/wait"
)

// These make the test's executable be the peers' process, or the whole
// workload, for as long as its standard input lasts.
const (
	asPeers = "NETPOLLTRACE_TEST_AS_PEERS"
	asShop  = "NETPOLLTRACE_TEST_AS_SHOP"
)

func TestMain(m *testing.M) {
	var err error
	switch {
	case os.Getenv(asPeers) != "":
		err = workload.Peers(context.Background(), os.Stdin, os.Stdout)
	case os.Getenv(asShop) != "":
		err = runShop()
	default:
		os.Exit(m.Run())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// sessions is how many idle connections the whole workload holds.
const sessions = 50

func runShop() error {
	ctx, cancel := context.WithCancel(context.Background())
	go func() { io.Copy(io.Discard, os.Stdin); cancel() }()
	return workload.Run(ctx, os.Stdout, workload.Options{Mode: workload.ModeAll, Idle: sessions, Peers: peersCommand()})
}

func peersCommand() []string {
	return []string{"env", asPeers + "=1", os.Args[0]}
}

// shop is the workload running in this process.
type shop struct {
	ready string // the line it wrote
	end   func() error
}

func open(t *testing.T, options workload.Options) shop {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	reader, writer := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := workload.Run(ctx, writer, options)
		writer.Close()
		ended <- err
	}()
	line, err := bufio.NewReader(reader).ReadString('\n')
	if err != nil {
		t.Fatalf("reading what the workload says: %v; it ended: %v", err, <-ended)
	}
	return shop{ready: line, end: func() error { cancel(); return <-ended }}
}

func TestNothingIsLeftBehind(t *testing.T) {
	for _, mode := range []workload.Mode{workload.ModeIO, workload.ModeAll} {
		before := goleak.IgnoreCurrent()
		s := open(t, workload.Options{Mode: mode, Idle: 10, Peers: peersCommand()})
		if s.ready != "ready idle=10\n" {
			t.Errorf("it said %q", s.ready)
		}
		if err := s.end(); err != nil {
			t.Errorf("mode %s: %v", mode, err)
		}
		goleak.VerifyNone(t, before)
	}
}

func TestTwoAtATime(t *testing.T) {
	first := open(t, workload.Options{Mode: workload.ModeIO, Peers: peersCommand()})
	second := open(t, workload.Options{Mode: workload.ModeIO, Peers: peersCommand()})
	for _, s := range []shop{first, second} {
		if err := s.end(); err != nil {
			t.Error(err)
		}
	}
}

func TestPeersThatCannotStart(t *testing.T) {
	for name, command := range map[string][]string{
		"none":    nil,
		"missing": {"/nonexistent/peers"},
		"silent":  {"true"},
	} {
		err := workload.Run(t.Context(), io.Discard, workload.Options{Mode: workload.ModeIO, Peers: command})
		if err == nil {
			t.Errorf("%s: ran without peers", name)
		}
	}
}

func TestPeersEndWithTheirShop(t *testing.T) {
	command := peersCommand()
	peers := exec.CommandContext(t.Context(), command[0], command[1:]...)
	stdin, err := peers.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := peers.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := peers.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(stdout).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	idle, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	fmt.Fprintf(stdin, `{"Shop": %q, "Sessions": %q, "Idle": 1}`+"\n", idle.Addr(), idle.Addr())
	stdin.Close()
	if err := peers.Wait(); err != nil {
		t.Error(err)
	}
}

// The execution tracer sees each fault where the table says it is, with about
// the length it says. What it cannot see, the descriptor and whose time it was,
// is for the tests of a recording.
func TestTheFaultsAreThere(t *testing.T) {
	s := open(t, workload.Options{Mode: workload.ModeAll, Idle: 5, Peers: peersCommand()})
	lengths := traceFaults(t)
	if err := s.end(); err != nil {
		t.Fatal(err)
	}
	for _, f := range workload.Faults() {
		t.Run(f.Name, func(t *testing.T) { checkFault(t, f, lengths[f.Name]) })
	}
}

// wanted is how many waits of each fault are traced.
const wanted = 10

// traceFaults traces the workload, which runs in this process, and returns how long
// the waits of each fault were. Two runs of invoices, the rarest of the faults, take
// two seconds; a busy machine does less in the same time, and is given more.
func traceFaults(t *testing.T) map[string][]time.Duration {
	t.Helper()
	const longest = time.Minute
	for length := 2300 * time.Millisecond; ; length *= 3 {
		lengths := lengthsOf(traceFor(t, length))
		if length > longest || !slices.ContainsFunc(workload.Faults(), func(f workload.Fault) bool {
			return f.Outcome != "" && len(lengths[f.Name]) < wanted
		}) {
			return lengths
		}
	}
}

func traceFor(t *testing.T, length time.Duration) []truth.Wait {
	t.Helper()
	var text bytes.Buffer
	if err := trace.Start(&text); err != nil {
		t.Fatal(err)
	}
	time.Sleep(length)
	trace.Stop()
	traced, err := truth.Read(&text)
	if err != nil {
		t.Fatal(err)
	}
	return traced.Waits
}

// lengthsOf sorts waits by fault, and tells how long they were.
func lengthsOf(waits []truth.Wait) map[string][]time.Duration {
	lengths := make(map[string][]time.Duration)
	for _, f := range workload.Faults() {
		for _, w := range waits {
			if isOf(f, w) {
				lengths[f.Name] = append(lengths[f.Name], time.Duration(w.Running-w.Park))
			}
		}
	}
	return lengths
}

func checkFault(t *testing.T, f workload.Fault, lengths []time.Duration) {
	if f.Outcome == "" {
		if len(lengths) != 0 {
			t.Errorf("%d waits in %s ended, want none to end", len(lengths), f.In)
		}
		return
	}
	if len(lengths) < wanted {
		t.Fatalf("%d waits in %s, want at least %d", len(lengths), f.In, wanted)
	}
	slices.Sort(lengths)
	median := lengths[len(lengths)/2]
	t.Logf("%d waits, median %v, longest %v", len(lengths), median, lengths[len(lengths)-1])
	if f.In == "workload.(*cache).Get" {
		return // three peers at one line: the trace does not tell them apart
	}
	if low := f.Typical * 8 / 10; median < low {
		t.Errorf("%d waits, median %v, want at least %v", len(lengths), median, low)
	}
}

func isOf(f workload.Fault, w truth.Wait) bool {
	reasons := map[string]string{"IO wait": "network", "sync.Mutex.Lock": "sync", "sync.WaitGroup.Wait": "sync"}
	reason := f.Reason
	if other, ok := reasons[reason]; ok {
		reason = other
	}
	if w.Reason != reason {
		return false
	}
	return slices.ContainsFunc(w.Frames, func(frame wait.Frame) bool { return strings.HasSuffix(frame.Func, f.In) })
}
