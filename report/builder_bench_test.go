package report_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/netpolltrace/netpolltrace/report"
	"github.com/netpolltrace/netpolltrace/wait"
)

// BenchmarkBuilder adds a mix as a busy service has it: 40 lines, each of which
// asks one of 8 services with two replicas; four of ten waits are keep-alive
// reads of its clients.
func BenchmarkBuilder(b *testing.B) {
	for _, by := range []string{"", "goroutine", "stack"} {
		b.Run("by="+cmp.Or(by, "default"), func(b *testing.B) {
			var options report.Options
			if by != "" {
				options.By = []report.Key{report.Key(by)}
			}
			builder, err := report.NewBuilder(options)
			if err != nil {
				b.Fatal(err)
			}
			waits := mix(1 << 14)
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if err := builder.Wait(&waits[i&(len(waits)-1)]); err != nil {
					b.Fatal(err)
				}
				i++
			}
		})
	}
}

// BenchmarkExplained is what it costs to explain waits, of which half were ended by
// goroutines.
func BenchmarkExplained(b *testing.B) {
	for name, options := range map[string]report.Options{"explained=no": {}, "explained=yes": explained(report.Options{})} {
		b.Run(name, func(b *testing.B) {
			builder, err := report.NewBuilder(options)
			if err != nil {
				b.Fatal(err)
			}
			waits := busyService(1 << 14)
			round := int64(len(waits)) * int64(ms)
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				w := waits[i&(len(waits)-1)]
				w.Start += int64(i/len(waits)) * round
				if err := builder.Wait(&w); err != nil {
					b.Fatal(err)
				}
				i++
			}
		})
	}
}

// BenchmarkFilter chooses from the same mix.
func BenchmarkFilter(b *testing.B) {
	filter, err := report.NewFilter(`total > 2ms && peer == "service-1-1.internal:6379"`)
	if err != nil {
		b.Fatal(err)
	}
	waits := mix(1 << 14)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if _, err := filter.Match(&waits[i&(len(waits)-1)]); err != nil {
			b.Fatal(err)
		}
		i++
	}
}

func mix(n int) []wait.Wait {
	random := rand.New(rand.NewPCG(1, 2))
	process := &wait.Process{Host: "h", Name: "checkout-api", PID: 4171}
	stacks := make([]*wait.Stack, 40)
	for i := range stacks {
		line := fmt.Sprintf("/home/build/checkout/internal/cache/cart%d.go:%d", i, 20+i)
		stacks[i] = &wait.Stack{
			Funcs: fmt.Sprintf("main.main;net/http.(*conn).serve;checkout/internal/api.Handle%d;checkout/internal/cache.Get%d;net.(*conn).Read;internal/poll.(*FD).Read", i, i),
			Line:  line, Func: fmt.Sprintf("checkout/internal/cache.Get%d", i),
		}
	}
	waits := make([]wait.Wait, n)
	for i := range waits {
		network := time.Duration(random.ExpFloat64() * 2e6)
		netpoll := time.Duration(random.ExpFloat64() * 2e4)
		sched := time.Duration(random.ExpFloat64() * 1e4)
		w := wait.Wait{
			Kind: wait.KindWait, Start: int64(i) * 1000,
			Total: network + netpoll + sched, Network: network, Netpoll: netpoll, Blocked: wait.Unmeasured, Sched: sched,
			Process: process, Goid: uint64(random.IntN(500)), Reason: wait.ReasonIO, Op: wait.OpRead, Outcome: wait.OutcomeReady,
			FD: int32(random.IntN(300)), Proto: "tcp", Local: "10.0.0.7:41234", P: 3, TID: 77, Count: 1,
		}
		if random.IntN(10) < 4 {
			w.Role, w.Idle, w.Local = wait.RoleAccepted, network, "10.0.0.7:8080"
			w.Peer = "10.1.2.3:51234"
			w.Stack = stacks[random.IntN(3)]
		} else {
			w.Role = wait.RoleDialed
			line := random.IntN(len(stacks))
			w.Peer = fmt.Sprintf("service-%d-%d.internal:6379", line%8, random.IntN(2))
			w.Stack = stacks[line]
		}
		waits[i] = w
	}
	return waits
}

// BenchmarkReports asks for reports of a hundred windows of ten thousand waits.
func BenchmarkReports(b *testing.B) {
	builder, err := report.NewBuilder(report.Options{Window: 10 * time.Millisecond})
	if err != nil {
		b.Fatal(err)
	}
	for i, w := range mix(1_000_000) {
		w.Start = int64(i)*1000 - int64(w.Total)
		if err := builder.Wait(&w); err != nil {
			b.Fatal(err)
		}
	}
	for _, ask := range []struct {
		name string
		get  func() (*report.Report, error)
	}{
		{"of=all", builder.Report},
		{"of=the last 10 windows", func() (*report.Report, error) { return builder.Last(100 * time.Millisecond) }},
	} {
		b.Run(ask.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ask.get(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
