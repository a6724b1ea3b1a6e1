package explain_test

import (
	"slices"
	"testing"
	"time"

	"github.com/netpolltrace/netpolltrace/explain"
	"github.com/netpolltrace/netpolltrace/wait"
)

// in has a wait happen in a function that one of the program's called at a line.
func in(w *wait.Wait, function, line string) *wait.Wait {
	w.Stack = &wait.Stack{
		Funcs: "main.main;main.work;" + function, Lines: "main.go:1;" + line + ";library.go:7",
		Line: line, Func: "main.work", Own: "main.main;main.work",
	}
	return w
}

// because gives a wait another of the runtime's reasons.
func because(reason string, w *wait.Wait) *wait.Wait {
	w.Reason = reason
	return w
}

// dialed makes a wait one for an answer over TCP.
func dialed(w *wait.Wait) *wait.Wait {
	w.Proto, w.Role, w.Outcome = wait.ProtoTCP, wait.RoleDialed, wait.OutcomeReady
	return w
}

func TestThings(t *testing.T) {
	const (
		sqlConn = "database/sql.(*DB).Query;database/sql.(*DB).conn"
		sqlRead = "database/sql.(*DB).Query;github.com/lib/pq.(*conn).query;net.(*conn).Read"
		getConn = "net/http.(*Client).Do;net/http.(*Transport).getConn"
		lock    = "sync.(*Mutex).Lock"
	)
	query := func(goid uint64, from, to time.Duration) *wait.Wait {
		return in(dialed(network(goid, from, to-from, 0, 0, "db:5432")), sqlRead, "query.go:1")
	}
	export := func(goid uint64, from, to time.Duration) *wait.Wait {
		return in(dialed(network(goid, from, to-from, 0, 0, "db:5432")), sqlRead, "export.go:2")
	}
	dialer := network(2, 0, 5*ms, 0, 0, "shipping:80")
	dialer.StartFunc = "net/http.(*Transport).startDialConnForLocked.func1"
	reader := network(2, 0, 5*ms, 0, 0, "shipping:80")
	reader.StartFunc = "net/http.(*Transport).dialConn.gowrap2"
	accepted := dialed(network(1, 0, ms, 0, 0, ""))
	accepted.Role = wait.RoleAccepted
	connect := dialed(network(1, 0, ms, 0, 0, "db:5432"))
	connect.Op = wait.OpConnect
	write := dialed(network(1, 0, ms, 0, 0, "db:5432"))
	write.Op = wait.OpWrite
	pipe := network(1, 0, ms, 0, 0, "pipe:[7]")
	pipe.Proto = wait.ProtoPipe
	unlocked := because("sync.Mutex.Lock", blocked(1, 0, 9*ms, 2))
	unlocked.WakerLine = "unlock.go:4"

	// pair is a library's goroutines of one connection, one to read, one to write.
	pair := func(peer string, reader, writer uint64) []*wait.Wait {
		r, w := dialed(network(reader, 0, ms, 0, 0, peer)), blocked(writer, 0, ms, 9)
		r.ParentGoid, w.ParentGoid = 5, 5
		return []*wait.Wait{r, w}
	}
	written := in(because("select", blocked(1, ms, 5*ms, 3)), "net/http.(*persistConn).roundTrip", "a.go:1")
	for _, test := range []struct {
		name  string
		waits []*wait.Wait
		want  wait.Thing
	}{
		{"an answer, while the question is written", append(pair("shipping:80", 2, 3), written), wait.Thing{Kind: wait.ThingReply, Peer: "shipping:80"}},
		{"the end of an answer", append(pair("shipping:80", 2, 3), with(in(blocked(1, ms, 2*ms, 2), "net/http.(*persistConn).readLoop.func4", "a.go:1"), func(w *wait.Wait) {
			w.Stack.Via = "net/http.(*persistConn).readLoop.func4"
		})), wait.Thing{Kind: wait.ThingReply, Peer: "shipping:80"}},
		{"one that started goroutines for two connections", slices.Concat(pair("shipping:80", 2, 3), pair("users:80", 4, 6), []*wait.Wait{written}),
			wait.Thing{Kind: wait.ThingReply}},
		{"an answer", []*wait.Wait{dialed(network(1, 0, ms, 0, 0, "db:5432"))}, wait.Thing{Kind: wait.ThingReply, Peer: "db:5432"}},
		{"a peer that is slow to take", []*wait.Wait{write}, wait.Thing{Kind: wait.ThingSend, Peer: "db:5432"}},
		{"a connect", []*wait.Wait{connect}, wait.Thing{Kind: wait.ThingDial, Peer: "db:5432"}},
		{"the answer of a handshake", []*wait.Wait{in(dialed(network(1, 0, ms, 0, 0, "db:5432")), "crypto/tls.(*Conn).clientHandshake", "a.go:1")},
			wait.Thing{Kind: wait.ThingDial, Peer: "db:5432"}},
		{"a client's request", []*wait.Wait{accepted}, wait.Thing{Kind: wait.ThingClient}},
		{"a pipe", []*wait.Wait{pipe}, wait.Thing{Kind: wait.ThingEndpoint, Peer: "pipe:[7]"}},
		{"an answer by way of a library's goroutine", []*wait.Wait{
			reader, in(because("select", blocked(1, 0, 5*ms, 2)), "net/http.(*persistConn).roundTrip", "a.go:1"),
		}, wait.Thing{Kind: wait.ThingReply, Peer: "shipping:80"}},
		{"a connection that another makes", []*wait.Wait{dialer, in(because("select", blocked(1, 0, 5*ms, 2)), getConn, "a.go:1")},
			wait.Thing{Kind: wait.ThingDial, Peer: "shipping:80"}},
		{"a connection that another made without waiting", []*wait.Wait{in(because("select", blocked(1, 0, 5*ms, 2)), getConn, "a.go:1")},
			wait.Thing{Kind: wait.ThingDial}},
		{"a connection that another used", []*wait.Wait{reader, in(because("select", blocked(1, 0, 5*ms, 2)), getConn, "a.go:1")},
			wait.Thing{Kind: wait.ThingPool, Name: "net/http"}},
		{"a connection that the program's own code used by way of a library's goroutine", []*wait.Wait{
			reader, in(because("select", blocked(3, 0, 5*ms, 2)), "net/http.(*persistConn).roundTrip", "ask.go:1"),
			in(because("select", blocked(1, ms, 6*ms, 2)), getConn, "a.go:1"),
		}, wait.Thing{Kind: wait.ThingPool, Name: "net/http", Peer: "shipping:80", InUse: 1, HeldBy: "ask.go:1", HeldFor: "shipping:80"}},
		{"one of a pool, until a deadline", []*wait.Wait{in(because("select", blocked(1, 0, 5*ms, 0)), sqlConn, "a.go:1")},
			wait.Thing{Kind: wait.ThingPool, Name: "database/sql"}},
		{"one of three, where one line has two of them", []*wait.Wait{
			query(2, 0, 10*ms), export(3, 0, 11*ms), export(4, 0, 12*ms),
			in(because("select", blocked(1, 5*ms, 12*ms, 4)), sqlConn, "a.go:1"),
		}, wait.Thing{Kind: wait.ThingPool, Name: "database/sql", Peer: "db:5432", InUse: 3, HeldBy: "export.go:2", HeldFor: "db:5432"}},
		{"one of a pool whose driver is the program's own code", []*wait.Wait{
			with(query(2, 0, 10*ms), func(w *wait.Wait) {
				w.Stack = &wait.Stack{
					Funcs: "main.main;main.list;database/sql.(*DB).Exec;main.driver.Exec", Lines: "a.go:1;a.go:2;sql.go:3;driver.go:4",
					Own: "main.main;main.list;main.driver.Exec", Line: "driver.go:4", Func: "main.driver.Exec",
				}
			}),
			in(because("select", blocked(1, 0, 10*ms, 2)), sqlConn, "a.go:1"),
		}, wait.Thing{Kind: wait.ThingPool, Name: "database/sql", Peer: "db:5432", InUse: 1, HeldBy: "a.go:2", HeldFor: "db:5432"}},
		{"one of two, of which one's wait is over later", []*wait.Wait{
			query(2, 0, 10*ms), in(because("select", blocked(1, 5*ms, 10*ms, 2)), sqlConn, "a.go:1"),
			query(3, 0, 20*ms), in(because("select", blocked(1, 15*ms, 20*ms, 3)), sqlConn, "a.go:1"),
		}, wait.Thing{Kind: wait.ThingPool, Name: "database/sql", Peer: "db:5432", InUse: 2, HeldBy: "query.go:1", HeldFor: "db:5432"}},
		{"one of a pool, held during a sleep", []*wait.Wait{
			query(2, 0, 2*ms), in(because("sleep", blocked(2, 2*ms, 30*ms, 0)), "time.Sleep", "sleep.go:3"),
			in(because("select", blocked(1, 1*ms, 30*ms, 2)), sqlConn, "a.go:1"),
		}, wait.Thing{Kind: wait.ThingPool, Name: "database/sql", Peer: "db:5432", InUse: 1, HeldBy: "sleep.go:3"}},
		{"one of pgxpool", []*wait.Wait{
			query(2, 0, 2*ms), in(blocked(1, 1*ms, 2*ms, 2), "github.com/jackc/puddle/v2.(*Pool[...]).acquire;golang.org/x/sync/semaphore.(*Weighted).Acquire", "a.go:1"),
		}, wait.Thing{Kind: wait.ThingPool, Name: "pgxpool", HeldBy: "query.go:1", HeldFor: "db:5432"}},
		{"a limit of go statements", []*wait.Wait{
			query(2, 0, 2*ms), in(because("chan send", blocked(1, 1*ms, 2*ms, 2)), "golang.org/x/sync/errgroup.(*Group).Go", "a.go:1"),
		}, wait.Thing{Kind: wait.ThingPool, Name: "errgroup", HeldBy: "query.go:1", HeldFor: "db:5432"}},
		{"a limit that is a channel", []*wait.Wait{
			in(because("chan send", blocked(2, 0, ms, 3)), "main.acquire", "sem.go:9"), query(2, ms, 8*ms),
			in(because("chan send", blocked(1, 0, 9*ms, 2)), "main.acquire", "sem.go:9"),
		}, wait.Thing{Kind: wait.ThingPool, Name: "channel", HeldBy: "query.go:1", HeldFor: "db:5432"}},
		{"two that send to each other", []*wait.Wait{
			in(because("chan send", blocked(2, 0, ms, 1)), "main.send", "ping.go:9"),
			in(because("chan send", blocked(1, ms, 9*ms, 2)), "main.send", "ping.go:9"),
		}, wait.Thing{Kind: wait.ThingChannel}},
		{"a channel that a timer sends on", []*wait.Wait{because("chan receive", blocked(1, 0, ms, 0))}, wait.Thing{Kind: wait.ThingTimer}},
		{"a lock held during a query", []*wait.Wait{query(2, 0, 8*ms), because("sync.Mutex.Lock", blocked(1, 0, 9*ms, 2))},
			wait.Thing{Kind: wait.ThingLock, HeldBy: "query.go:1", HeldFor: "db:5432"}},
		{"a lock whose holder had waited for it too", []*wait.Wait{
			query(2, 0, 8*ms), because("sync.Mutex.Lock", blocked(2, 8*ms, 10*ms, 3)), export(2, 10*ms, 11*ms),
			because("sync.Mutex.Lock", blocked(1, 0, 12*ms, 2)),
		}, wait.Thing{Kind: wait.ThingLock, HeldBy: "export.go:2", HeldFor: "db:5432"}},
		{"a lock whose holder had waited for it longer than it held it", []*wait.Wait{
			query(2, 0, 8*ms), because("sync.Mutex.Lock", blocked(3, 0, 9*ms, 2)), because("sync.Mutex.Lock", blocked(1, 1*ms, 10*ms, 3)),
		}, wait.Thing{Kind: wait.ThingLock, HeldBy: "query.go:1", HeldFor: "db:5432"}},
		{"a lock whose holder ran", []*wait.Wait{unlocked}, wait.Thing{Kind: wait.ThingLock, HeldBy: "unlock.go:4"}},
		{"a lock of an old runtime", []*wait.Wait{query(2, 0, 8*ms), in(because("semacquire", blocked(1, 0, 9*ms, 2)), lock, "a.go:1")},
			wait.Thing{Kind: wait.ThingLock, HeldBy: "query.go:1", HeldFor: "db:5432"}},
		{"a pool's own lock", []*wait.Wait{query(2, 0, 8*ms), in(because("sync.Mutex.Lock", blocked(1, 0, 9*ms, 2)), sqlConn+";"+lock, "a.go:1")},
			wait.Thing{Kind: wait.ThingLock, HeldBy: "query.go:1", HeldFor: "db:5432"}},
		{"others' ends", []*wait.Wait{because("sync.WaitGroup.Wait", blocked(1, 0, ms, 2))}, wait.Thing{Kind: wait.ThingGroup}},
		{"a sleep", []*wait.Wait{because("sleep", blocked(1, 0, ms, 0))}, wait.Thing{Kind: wait.ThingTimer}},
		{"the garbage collector", []*wait.Wait{because("GC assist wait", blocked(1, 0, ms, 0))}, wait.Thing{Kind: wait.ThingGC}},
		{"a library's goroutine without work", []*wait.Wait{in(because("select", blocked(1, 0, ms, 2)), "net/http.(*persistConn).writeLoop", "t.go:1")},
			wait.Thing{Kind: wait.ThingWork}},
		{"nobody knows what", []*wait.Wait{because("coroutine", blocked(1, 0, ms, 2))}, wait.Thing{Kind: wait.ThingUnknown}},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := explain.New()
			var got wait.Thing
			for _, w := range test.waits {
				got = e.Wait(w).Thing
			}
			got.HeldByFunc = "" // told below
			if got != test.want {
				t.Errorf("got  %#v\nwant %#v", got, test.want)
			}
		})
	}
}

func TestAnOpenWaitHasAThing(t *testing.T) {
	e := explain.New()
	w := because("sync.Mutex.Lock", blocked(1, 0, ms, 0))
	w.Kind = wait.KindOpen
	if got := e.Wait(w).Thing; got != (wait.Thing{Kind: wait.ThingLock}) {
		t.Errorf("got %+v", got)
	}
}

func TestTheFunctionOfAHolderIsTold(t *testing.T) {
	e := explain.New()
	e.Wait(in(network(2, 0, 8*ms, 0, 0, "db:5432"), "net.(*conn).Read", "a.go:1"))
	if got := e.Wait(because("sync.Mutex.Lock", blocked(1, 0, 9*ms, 2))).Thing.HeldByFunc; got != "main.work" {
		t.Errorf("got %q", got)
	}
}
