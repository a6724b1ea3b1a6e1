package report

import (
	"fmt"
	"time"

	"github.com/netpolltrace/netpolltrace/internal/expression"
	"github.com/netpolltrace/netpolltrace/wait"
)

// Filter chooses waits by an expression, such as
// `total > 2ms && peer == "db:5432"`. It is not safe for concurrent use.
type Filter struct {
	program *expression.Program[fields]
	fields  fields
}

// NewFilter compiles an expression of --filter. Its error is one line that
// says where it is wrong and which names there are.
func NewFilter(text string) (*Filter, error) {
	program, err := expression.Compile[fields](text)
	if err != nil {
		return nil, fmt.Errorf("reading the filter %q: %w", text, err)
	}
	return &Filter{program: program}, nil
}

// Match tells whether the wait is to be counted.
func (f *Filter) Match(w *wait.Wait) (bool, error) {
	f.fields.fill(w)
	return f.program.Match(&f.fields)
}

// fields is a wait as expressions see it: the columns of a recording without
// the unit in their names. A number that is not known is null, a text that is
// not known is empty.
type fields struct {
	Total   time.Duration `expr:"total"`
	Network time.Duration `expr:"network" null:"-1"`
	Netpoll time.Duration `expr:"netpoll" null:"-1"`
	Blocked time.Duration `expr:"blocked" null:"-1"`
	Sched   time.Duration `expr:"sched" null:"-1"`
	Unsplit time.Duration `expr:"unsplit"`
	Idle    time.Duration `expr:"idle" null:"-1"`
	Awaited time.Duration `expr:"awaited"`

	Kind          string `expr:"kind"`
	Reason        string `expr:"reason"`
	Op            string `expr:"op"`
	Outcome       string `expr:"outcome"`
	Count         int    `expr:"count"`
	StartedBefore bool   `expr:"started_before"`

	Proto       string        `expr:"proto"`
	Role        string        `expr:"role"`
	Local       string        `expr:"local"`
	Peer        string        `expr:"peer"`
	PeerIP      string        `expr:"peer_ip"`
	FD          int           `expr:"fd" null:"-1"`
	RTT         time.Duration `expr:"rtt" null:"-1"`
	MinRTT      time.Duration `expr:"min_rtt" null:"-1"`
	Retransmits int           `expr:"retransmits" null:"-1"`

	Goid      int    `expr:"goid" null:"0"`
	Goroutine int    `expr:"goroutine" null:"0"`
	WakerGoid int    `expr:"waker_goid" null:"0"`
	Start     string `expr:"start"`
	Line      string `expr:"line"`
	Func      string `expr:"func"`
	Stack     string `expr:"stack"`

	Poller  string `expr:"poller"`
	P       int    `expr:"p" null:"-1"`
	TID     int    `expr:"tid" null:"-1"`
	Thread  int    `expr:"thread" null:"-1"`
	Process string `expr:"process"`
	PID     int    `expr:"pid" null:"-1"`
	Host    string `expr:"host"`
}

func (f *fields) fill(w *wait.Wait) {
	*f = fields{
		Total: w.Total, Network: w.Network, Netpoll: w.Netpoll, Blocked: w.Blocked, Sched: w.Sched,
		Unsplit: w.Unsplit(), Idle: w.Idle, Awaited: w.Awaited(),
		Kind: string(w.Kind), Reason: w.Reason, Op: string(w.Op), Outcome: string(w.Outcome),
		Count: int(w.Count), StartedBefore: w.StartedBefore,
		Proto: w.Proto, Role: string(w.Role), Local: w.Local, Peer: w.Peer, PeerIP: hostOf(w.Peer),
		FD: int(w.FD), RTT: wait.Unmeasured, MinRTT: wait.Unmeasured, Retransmits: -1,
		Goid: int(w.Goid), Goroutine: int(w.Goid), WakerGoid: int(w.WakerGoid), Start: w.StartFunc,
		Poller: w.Poller, P: int(w.P), TID: int(w.TID), Thread: int(w.TID), PID: -1,
	}
	if w.HasTCP {
		f.RTT = time.Duration(w.RTT) * time.Microsecond
		f.MinRTT = time.Duration(w.MinRTT) * time.Microsecond
		f.Retransmits = int(w.Retransmits)
	}
	if w.Stack != nil {
		f.Line, f.Func, f.Stack = w.Stack.Line, w.Stack.Func, w.Stack.Funcs
	}
	if w.Process != nil {
		f.Process, f.PID, f.Host = w.Process.Name, int(w.Process.PID), w.Process.Host
	}
}
