package workload

import (
	"time"

	"github.com/netpolltrace/netpolltrace/wait"
)

// Part names whose time a wait is, in the terms of package wait.
type Part string

// The parts that a fault of the workload grows.
const (
	PartNetwork Part = "network"
	PartLate    Part = "netpoll+sched" // the answer was there, Go was not
	PartBlocked Part = "blocked"       // by a deadline, or by another goroutine
	PartIdle    Part = "idle"          // no reply was pending
)

// Fault is something that a recording of the workload must show: the waits that
// have a function on their stack, and a peer where there are several, are
// mostly of one part and mostly of one length.
type Fault struct {
	Name string
	Why  string // a sentence for a person who compares it with the report
	Mode Mode   // the smallest mode that shows it

	In   string // a function on the stack, as the runtime prints it without its package's path
	Peer string // address; empty when In says enough

	Reason  string
	Op      wait.Op
	Proto   string // empty for a listener: Go prefers mptcp to tcp where the kernel has it
	Role    wait.Role
	Outcome wait.Outcome

	// Thing is what was waited for, as an explanation says: its kind, its peer, and
	// the function of who held it. Nothing when the part says enough.
	Thing wait.Thing

	Part Part
	// Typical is about how long that part of one wait is: the median is no less,
	// and on an idle machine hardly more. 0 when it has no typical length.
	Typical time.Duration
}

// Faults is what is known of the workload.
func Faults() []Fault {
	return append(answers(), append(others(), blocks()...)...)
}

// addr is the address that a server has where it is free.
func addr(name string) string {
	for _, s := range servers() {
		if s.name == name {
			return s.addr
		}
	}
	return ""
}

// answers are reads of answers from the peers.
func answers() []Fault {
	rows := []Fault{
		{Name: "slow redis-2", In: "workload.(*cache).Get", Peer: addr(redis2), Proto: "tcp", Part: PartNetwork, Typical: 12 * time.Millisecond,
			Why: "one of three caches answers in 12 ms, the others in 0.4 ms"},
		{Name: "fast redis-0", In: "workload.(*cache).Get", Peer: addr(redis0), Proto: "tcp", Part: PartNetwork, Typical: 400 * time.Microsecond,
			Why: "no fault, to compare with"},
		{Name: "fast redis-1", In: "workload.(*cache).Get", Peer: addr(redis1), Proto: "tcp", Part: PartNetwork, Typical: 400 * time.Microsecond,
			Why: "no fault, to compare with"},
		{Name: "mixed postgres", In: "workload.database.Query", Peer: addr(postgres), Proto: "tcp", Part: PartNetwork, Typical: 1500 * time.Microsecond,
			Why: "most queries take 1.5 ms, one in twenty 45 ms"},
		{Name: "busy processors", In: "workload.warehouse.Stock", Peer: addr(stock), Proto: "tcp", Part: PartLate, Typical: 5 * time.Millisecond,
			Why: "the peer answers in 0.4 ms, but invoices are computed meanwhile and nobody looks"},
		{Name: "new connections", In: "workload.sendReceipt", Peer: addr(mail), Proto: "tcp", Part: PartNetwork, Typical: 2 * time.Millisecond,
			Why: "a connection for each receipt: a connect and a read"},
		{Name: "name lookups", In: "workload.lookUp", Peer: addr(names), Proto: "udp", Part: PartNetwork, Typical: 2 * time.Millisecond,
			Why: "question and answer over UDP"},
		{Name: "audit log", In: "workload.auditSale", Proto: "unix", Part: PartNetwork, Typical: 1 * time.Millisecond,
			Why: "question and answer over a unix socket"},
		{Name: "quotes", In: "net/http.(*persistConn).readLoop", Peer: addr(quotes), Proto: "tcp", Part: PartIdle, Typical: quoteEvery,
			Why: "a pooled HTTP connection waits for an answer for 3 ms, and for the next question for 20 ms"},
	}
	for i := range rows {
		rows[i].Mode, rows[i].Reason, rows[i].Op = ModeIO, wait.ReasonIO, wait.OpRead
		rows[i].Role, rows[i].Outcome = wait.RoleDialed, wait.OutcomeReady
	}
	return rows
}

// others are the other waits that the netpoller ends.
func others() []Fault {
	rows := []Fault{
		{Name: "silent push", In: "workload.awaitPush", Op: wait.OpRead, Proto: "tcp", Role: wait.RoleDialed, Outcome: wait.OutcomeTimeout,
			Part: PartBlocked, Typical: patience, Why: "the peer never sends, so each read ends by its deadline of 50 ms"},
		{Name: "log pipe", In: "workload.readLogLine", Op: wait.OpRead, Proto: "pipe", Outcome: wait.OutcomeReady,
			Part: PartNetwork, Typical: logEvery, Why: "another goroutine writes a line every 20 ms"},
		{Name: "keep-alive of customers", In: "net/http.(*conn).serve", Op: wait.OpRead, Proto: "tcp", Role: wait.RoleAccepted, Outcome: wait.OutcomeReady,
			Part: PartIdle, Why: "the shop's HTTP server waits for the next request"},
		{Name: "accept of walk-ins", In: "net/http.(*Server).Serve", Op: wait.OpAccept, Role: wait.RoleListening, Outcome: wait.OutcomeReady,
			Part: PartIdle, Typical: browsing, Why: "one customer makes a new connection each time"},
		{Name: "idle sessions", In: "workload.(*front).holdSession", Op: wait.OpRead, Proto: "tcp", Role: wait.RoleAccepted,
			Part: PartIdle, Why: "connections on which nothing ever happens: open from before the recording until after it"},
	}
	for i := range rows {
		rows[i].Mode, rows[i].Reason = ModeIO, wait.ReasonIO
	}
	return rows
}

// blocks are the waits for other goroutines and for timers.
func blocks() []Fault {
	rows := []Fault{
		{Name: "parcels", In: "workload.packParcel", Reason: "chan receive", Typical: parcelTime, Why: "a parcel comes every 5 ms"},
		{Name: "ledger", In: "workload.(*ledger).Enter", Reason: "sync.Mutex.Lock", Typical: entryTime, Why: "two want a lock that is held for 3 ms at a time"},
		{Name: "retries", In: "workload.retryLater", Reason: "sleep", Typical: retryTime, Why: "a sleep of 25 ms"},
		{Name: "alarms", In: "workload.watchAlarm", Reason: "select", Typical: alarmTime, Why: "one of two sources speaks every 10 ms"},
		{Name: "inventory", In: "workload.countShelves", Reason: "sync.WaitGroup.Wait", Typical: countTime, Why: "three helpers take 8 ms each"},
		{Name: "shipping", In: "workload.(*catalog).quoteShipping", Reason: "select",
			Thing: wait.Thing{Kind: wait.ThingReply, Peer: addr(shipping)}, Why: "one of two HTTP servers behind one function takes 20 ms; some waits are short, until the request is written"},
		{Name: "goods", In: "workload.(*catalog).quoteGoods", Reason: "select",
			Thing: wait.Thing{Kind: wait.ThingReply, Peer: addr(quotes)}, Why: "the other one takes 3 ms"},
		{Name: "archive", In: "workload.archive.Find", Reason: "select", Typical: 4 * time.Millisecond,
			Thing: wait.Thing{Kind: wait.ThingPool, Peer: addr(archived), HeldByFunc: "workload.archive.Export", HeldFor: addr(archived)},
			Why:   "a query takes 4 ms, but two of the three connections are kept for exports"},
		{Name: "journal", In: "workload.(*journal).Write", Reason: "sync.Mutex.Lock", Typical: 8 * time.Millisecond,
			Thing: wait.Thing{Kind: wait.ThingLock, HeldByFunc: "workload.(*journal).Save", HeldFor: addr(redis2)},
			Why:   "the lock is held while a cache is asked that answers in 12 ms"},
	}
	for i := range rows {
		rows[i].Mode, rows[i].Outcome, rows[i].Part = ModeAll, wait.OutcomeReady, PartBlocked
	}
	return rows
}
