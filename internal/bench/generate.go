package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/netpolltrace/netpolltrace/recording"
	"github.com/netpolltrace/netpolltrace/wait"
)

// The made-up service: what its waits are about.
const (
	madePeers      = 100
	madeStacks     = 300
	madeGoroutines = 10_000
	madeFrames     = 12
)

// service makes up the waits of a busy service in mode all. Of its stacks, six
// of ten read answers, two are keep-alive reads of clients, two wait for channels
// and locks; some are much busier than others.
type service struct {
	random  *rand.Rand
	process *wait.Process
	peers   []string
	clients []string
	stacks  []*wait.Stack
	busy    *rand.Zipf // which stack
	now     int64
}

func newService() *service {
	random := rand.New(rand.NewPCG(1, 2))
	s := &service{
		random:  random,
		busy:    rand.NewZipf(random, 1.2, 10, madeStacks-1),
		process: &wait.Process{Host: "host", Name: "service", PID: 4171},
		now:     time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano(),
	}
	for i := range madePeers {
		s.peers = append(s.peers, fmt.Sprintf("10.0.%d.7:5432", i))
	}
	for i := range 10 * madePeers {
		s.clients = append(s.clients, fmt.Sprintf("10.1.%d.%d:%d", i/250, i%250, 32768+i))
	}
	for i := range madeStacks {
		s.stacks = append(s.stacks, madeStack(i))
	}
	return s
}

func madeStack(number int) *wait.Stack {
	var funcs, lines []string
	for i := range madeFrames {
		funcs = append(funcs, fmt.Sprintf("service/internal/part%d.(*Handler).call%d", number, i))
		lines = append(lines, fmt.Sprintf("/build/service/internal/part%d/handler.go:%d", number, 10*i+7))
	}
	return &wait.Stack{
		Funcs: strings.Join(funcs, ";"), Lines: strings.Join(lines, ";"),
		Func: funcs[madeFrames-3], Line: lines[madeFrames-3],
	}
}

// next fills in the next wait. A peer belongs to a stack, as it does in life.
func (s *service) next(w *wait.Wait) {
	s.now += s.random.Int64N(20_000)
	about := int(s.busy.Uint64())
	*w = wait.Empty()
	w.Kind, w.Outcome, w.Start, w.Process = wait.KindWait, wait.OutcomeReady, s.now, s.process
	w.Goid, w.WakerGoid = 1+s.random.Uint64N(madeGoroutines), 1+s.random.Uint64N(madeGoroutines)
	w.Sched, w.P, w.TID = s.length(10*time.Microsecond), s.random.Int32N(16), 4171+s.random.Int32N(30)
	w.Stack, w.StartFunc = s.stacks[about], "net/http.(*Server).Serve.gowrap3"
	switch about % 10 {
	case 0:
		s.blocked(w, "chan receive")
	case 1:
		s.blocked(w, "sync.Mutex.Lock")
	case 2, 3:
		s.read(w, wait.RoleAccepted, s.clients[s.random.IntN(len(s.clients))])
		w.Idle = w.Network
	default:
		s.read(w, wait.RoleDialed, s.peers[(about+s.random.IntN(3))%madePeers])
		w.Idle = 0
	}
}

func (s *service) blocked(w *wait.Wait, reason string) {
	w.Reason, w.Blocked = reason, s.length(500*time.Microsecond)
	w.Total = w.Blocked + w.Sched
}

func (s *service) read(w *wait.Wait, role wait.Role, peer string) {
	w.Reason, w.Op, w.Proto, w.Role = wait.ReasonIO, wait.OpRead, "tcp", role
	w.FD, w.Local, w.Peer, w.Poller = 5+s.random.Int32N(2000), "10.0.0.1:8080", peer, "findRunnable"
	w.RTT, w.HasTCP = 200+s.random.Uint32N(200), true
	w.Network, w.Netpoll = s.length(2*time.Millisecond), s.length(20*time.Microsecond)
	w.Total = w.Network + w.Netpoll + w.Sched
}

// length is a random duration with a mean.
func (s *service) length(mean time.Duration) time.Duration {
	return time.Duration(s.random.ExpFloat64() * float64(mean))
}

// generate writes a recording of so many made-up waits.
func generate(path string, waits int) (err error) {
	s := newService()
	meta := &wait.Meta{
		Targets: []wait.Target{{Exe: "/usr/bin/service", PID: 4171, Go: "go1.26.0", GOMAXPROCS: 16, Mode: wait.ModeAll}},
		Host:    "host", Arch: "amd64", Started: time.Unix(0, s.now),
	}
	out, err := recording.Create(path, meta, recording.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	var w wait.Wait
	for range waits {
		s.next(&w)
		if err := out.Wait(&w); err != nil {
			return err
		}
	}
	return out.Event(&wait.Event{
		Kind: wait.EventEnd, Start: s.now, Duration: time.Duration(s.now - meta.Started.UnixNano()), Count: 1, Process: s.process,
	})
}
