package recording

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/netpolltrace/netpolltrace/wait"
)

// typicalWaits are n waits of a service: 50 peers, 200 stacks, 10,000
// goroutines, in random order.
func typicalWaits(n int) []wait.Wait {
	random := rand.New(rand.NewPCG(1, 2))
	process := &wait.Process{Host: "web-1", Name: "checkout-api", PID: 4171}
	stacks := make([]*wait.Stack, 200)
	for i := range stacks {
		stacks[i] = typicalStack(i)
	}
	peers, starts := make([]string, 50), make([]string, 20)
	for i := range peers {
		peers[i] = fmt.Sprintf("10.0.%d.7:5432", i)
	}
	for i := range starts {
		starts[i] = fmt.Sprintf("shop/internal/server.(*Pool).worker%d", i)
	}
	outcomes := []wait.Outcome{wait.OutcomeReady, wait.OutcomeReady, wait.OutcomeReady, wait.OutcomeTimeout}
	waits := make([]wait.Wait, n)
	now := begin.UnixNano()
	for i := range waits {
		now += random.Int64N(20_000)
		network, netpoll, sched := random.ExpFloat64()*2e6, random.ExpFloat64()*2e4, random.ExpFloat64()*1e4
		w := wait.Empty()
		w.Kind, w.Start, w.Process = wait.KindWait, now, process
		w.Network, w.Netpoll, w.Sched = time.Duration(network), time.Duration(netpoll), time.Duration(sched)
		w.Total = w.Network + w.Netpoll + w.Sched
		w.Idle = 0
		w.Goid, w.Reason = 1+random.Uint64N(10_000), wait.ReasonIO
		w.Op, w.Outcome = wait.OpRead, outcomes[random.IntN(len(outcomes))]
		w.FD, w.Proto, w.Role = 5+random.Int32N(500), "tcp", wait.RoleDialed
		w.Local, w.Peer = peers[random.IntN(len(peers))], peers[random.IntN(len(peers))]
		w.RTT, w.HasTCP = 200+random.Uint32N(200), true
		w.P, w.TID = random.Int32N(16), 4000+random.Int32N(30)
		w.StartFunc, w.Stack = starts[random.IntN(len(starts))], stacks[random.IntN(len(stacks))]
		waits[i] = w
	}
	return waits
}

// typicalStack is a stack of twelve frames.
func typicalStack(n int) *wait.Stack {
	var funcs, lines []string
	for i := range 12 {
		funcs = append(funcs, fmt.Sprintf("shop/internal/server.(*Handler%d).call%d", n, i))
		lines = append(lines, fmt.Sprintf("/srv/build/shop/internal/server/handler.go:%d", 10*n+i))
	}
	return &wait.Stack{
		Funcs: strings.Join(funcs, ";"), Lines: strings.Join(lines, ";"),
		Line: lines[10], Func: funcs[10],
	}
}

// counted counts the bytes that are written to it.
type counted struct{ n int64 }

func (c *counted) Write(p []byte) (int, error) { c.n += int64(len(p)); return len(p), nil }

func BenchmarkWrite(b *testing.B) {
	waits := typicalWaits(1 << 14)
	out := new(counted)
	w, err := NewWriter(out, sampleMeta(), Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if err := w.Wait(&waits[i%len(waits)]); err != nil {
			b.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(out.n)/float64(b.N), "bytes/row")
}

// tally is a sink that does next to nothing.
type tally struct {
	rows  int
	total time.Duration
}

func (t *tally) Wait(w *wait.Wait) error { t.rows++; t.total += w.Total; return nil }
func (t *tally) Event(*wait.Event) error { t.rows++; return nil }

func BenchmarkRead(b *testing.B) {
	const rows = 1 << 19
	waits := typicalWaits(1 << 14)
	var file bytes.Buffer
	w, err := NewWriter(&file, sampleMeta(), Options{})
	if err != nil {
		b.Fatal(err)
	}
	for i := range rows {
		put(b, w.Wait(&waits[i%len(waits)]))
	}
	put(b, w.Close())
	b.ReportAllocs()
	for b.Loop() {
		r, err := NewReader(bytes.NewReader(file.Bytes()), Limits{})
		put(b, err)
		var sink tally
		put(b, r.Run(context.Background(), &sink))
		if sink.rows != rows {
			b.Fatalf("%d rows read, want %d", sink.rows, rows)
		}
	}
	b.ReportMetric(float64(b.Elapsed())/float64(b.N)/rows, "ns/row")
	b.ReportMetric(float64(file.Len())/rows, "bytes/row")
}
