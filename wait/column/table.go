package column

import (
	"strings"
	"time"

	"github.com/netpolltrace/netpolltrace/wait"
)

// Table returns the columns in the order of a recording. Names and types are a
// promise to users: neither changes, nothing is removed.
func Table() []Column {
	return []Column{
		{Name: "kind", Required: true, NeverNull: true,
			Value: text(Word, func(w *wait.Wait) *string { return (*string)(&w.Kind) })},
		{Name: "start", Required: true, NeverNull: true,
			Value: Moment{At: func(w *wait.Wait) *int64 { return &w.Start }}},
		{Name: "total", Unit: Nanoseconds, Required: true,
			Value: duration(func(w *wait.Wait) *time.Duration { return &w.Total })},
		{Name: "network", Unit: Nanoseconds,
			Value: duration(func(w *wait.Wait) *time.Duration { return &w.Network })},
		{Name: "netpoll", Unit: Nanoseconds,
			Value: duration(func(w *wait.Wait) *time.Duration { return &w.Netpoll })},
		{Name: "blocked", Unit: Nanoseconds,
			Value: duration(func(w *wait.Wait) *time.Duration { return &w.Blocked })},
		{Name: "sched", Unit: Nanoseconds,
			Value: duration(func(w *wait.Wait) *time.Duration { return &w.Sched })},
		{Name: "unsplit", Unit: Nanoseconds, Value: DerivedDuration((*wait.Wait).Unsplit)},
		{Name: "idle", Unit: Nanoseconds,
			Value: duration(func(w *wait.Wait) *time.Duration { return &w.Idle })},
		{Name: "awaited", Unit: Nanoseconds, Value: DerivedDuration((*wait.Wait).Awaited)},

		{Name: "host", Key: "host", Header: "HOST", NeverNull: true, Snapshot: true,
			Value: text(Name, ofProcess(func(p *wait.Process) *string { return &p.Host }))},
		{Name: "process", Key: "process", Header: "PROCESS", NeverNull: true, Snapshot: true,
			Value: text(Name, ofProcess(func(p *wait.Process) *string { return &p.Name }))},
		{Name: "pid", Key: "pid", Header: "PID", NeverNull: true, Snapshot: true,
			Value: Number[int32]{At: ofProcess(func(p *wait.Process) *int32 { return &p.PID })}},
		{Name: "goid", Key: "goroutine", Header: "GOROUTINE", Snapshot: true,
			Value: Number[uint64]{At: func(w *wait.Wait) *uint64 { return &w.Goid }}},
		{Name: "waker_goid",
			Value: Number[uint64]{At: func(w *wait.Wait) *uint64 { return &w.WakerGoid }}},

		{Name: "reason", Key: "reason", Header: "REASON", Snapshot: true,
			Value: text(Name, func(w *wait.Wait) *string { return &w.Reason })},
		{Name: "op", Key: "op", Header: "OP", Snapshot: true,
			Value: text(Word, func(w *wait.Wait) *string { return (*string)(&w.Op) })},
		{Name: "outcome", Key: "outcome", Header: "OUTCOME",
			Value: text(Word, func(w *wait.Wait) *string { return (*string)(&w.Outcome) })},

		{Name: "fd", Key: "fd", Header: "FD", Snapshot: true,
			Value: Number[int32]{At: func(w *wait.Wait) *int32 { return &w.FD }, Null: -1}},
		{Name: "proto", Key: "proto", Header: "PROTO", Snapshot: true,
			Value: text(Word, func(w *wait.Wait) *string { return &w.Proto })},
		{Name: "role", Key: "role", Header: "ROLE", Snapshot: true,
			Value: text(Word, func(w *wait.Wait) *string { return (*string)(&w.Role) })},
		{Name: "local", Key: "local", Header: "LOCAL", Snapshot: true,
			Value: text(Name, func(w *wait.Wait) *string { return &w.Local })},
		{Name: "peer", Snapshot: true,
			Value: text(Name, func(w *wait.Wait) *string { return &w.Peer })},
		{Key: "peer", Header: "PEER", Snapshot: true, Value: Group(appendPeer)},
		{Name: "peer_ip", Key: "peer_ip", Header: "PEER IP", Snapshot: true,
			Value: DerivedText(peerIP)},
		{Name: "rtt", Unit: Microseconds, Value: ofTCP(func(w *wait.Wait) *uint32 { return &w.RTT })},
		{Name: "min_rtt", Unit: Microseconds, Value: ofTCP(func(w *wait.Wait) *uint32 { return &w.MinRTT })},
		{Name: "retransmits", Value: ofTCP(func(w *wait.Wait) *uint32 { return &w.Retransmits })},

		{Name: "poller", Key: "poller", Header: "POLLER",
			Value: text(Word, func(w *wait.Wait) *string { return &w.Poller })},
		{Name: "p", Key: "p", Header: "P",
			Value: Number[int32]{At: func(w *wait.Wait) *int32 { return &w.P }, Null: -1}},
		{Name: "tid", Key: "thread", Header: "THREAD",
			Value: Number[int32]{At: func(w *wait.Wait) *int32 { return &w.TID }, Null: -1}},
		{Name: "started_before",
			Value: Flag{At: func(w *wait.Wait) *bool { return &w.StartedBefore }}},
		{Name: "count", NeverNull: true,
			Value: Number[uint64]{At: func(w *wait.Wait) *uint64 { return &w.Count }}},

		{Name: "start_func", Key: "start", Header: "STARTED WITH", Snapshot: true,
			Value: text(Line, func(w *wait.Wait) *string { return &w.StartFunc })},
		{Name: "line", Key: "line", Header: "LINE", Long: true, Snapshot: true,
			Value: ofStack(Line, func(s *wait.Stack) *string { return &s.Line })},
		{Name: "func", Key: "func", Header: "FUNC", Snapshot: true, Value: DerivedText(funcOfLine)},
		{Name: "stack", Key: "stack", Header: "STACK", Long: true, Snapshot: true,
			Value: ofStack(List, func(s *wait.Stack) *string { return &s.Funcs })},
		{Name: "stack_lines", Snapshot: true,
			Value: ofStack(List, func(s *wait.Stack) *string { return &s.Lines })},
		{Name: "via", Key: "via", Header: "VIA", Snapshot: true,
			Value: ofStack(Line, func(s *wait.Stack) *string { return &s.Via })},
		{Name: "own", Key: "own", Header: "OWN", Long: true, Snapshot: true,
			Value: ofStack(List, func(s *wait.Stack) *string { return &s.Own })},
		{Name: "entry", Key: "entry", Header: "ENTRY", Snapshot: true, Value: DerivedText(entry)},

		{Name: "labels",
			Value: text(Line, func(w *wait.Wait) *string { return &w.Labels })},
		{Name: "waker_line", Key: "waker", Header: "WAKER", Long: true,
			Value: text(Line, func(w *wait.Wait) *string { return &w.WakerLine })},
		{Name: "waker_pid",
			Value: Number[int32]{At: func(w *wait.Wait) *int32 { return &w.WakerPID }}},
		{Name: "creator_line", Key: "creator", Header: "STARTED AT", Long: true,
			Value: text(Line, func(w *wait.Wait) *string { return &w.CreatorLine })},
		{Name: "parent_goid", Key: "parent", Header: "PARENT",
			Value: Number[uint64]{At: func(w *wait.Wait) *uint64 { return &w.ParentGoid }}},
		{Name: "for", Key: "for", Header: "FOR", Value: DerivedText(forWhom)},
		{Key: "cause", Header: "CAUSE", Value: Group(appendCause)},
		{Name: "answered", Unit: Nanoseconds,
			Value: duration(func(w *wait.Wait) *time.Duration { return &w.Answered })},
		{Name: "by_timer",
			Value: Flag{At: func(w *wait.Wait) *bool { return &w.ByTimer }}},
		{Name: "preempted", Unit: Nanoseconds,
			Value: duration(func(w *wait.Wait) *time.Duration { return &w.Preempted })},
		{Name: "waker_preempted", Unit: Nanoseconds,
			Value: duration(func(w *wait.Wait) *time.Duration { return &w.WakerPreempted })},
		{Name: "waker_started", Unit: Nanoseconds,
			Value: duration(func(w *wait.Wait) *time.Duration { return &w.WakerStarted })},
		{Name: "waker_parent_goid",
			Value: Number[uint64]{At: func(w *wait.Wait) *uint64 { return &w.WakerParentGoid }}},
	}
}

// appendPeer names whom, or what, the wait was for. A descriptor of which no peer is
// known (an event descriptor) goes by its kind. One that was
// explained goes by its thing or by its largest cause.
func appendPeer(b []byte, w *wait.Wait) []byte {
	if x := w.Explanation; x != nil {
		switch {
		case x.Peer != "":
			return append(b, x.Peer...)
		case w.Op == "" && w.Reason != wait.ReasonIO, x.Thing.Kind == wait.ThingDial && x.Thing.Peer != "":
			return x.Thing.Append(b)
		}
	}
	return appendSocket(b, w)
}

// appendSocket names whom the wait's own descriptor is connected to, or its kind.
func appendSocket(b []byte, w *wait.Wait) []byte {
	switch {
	case w.Role == wait.RoleAccepted || w.Role == wait.RoleListening:
		return wait.AppendClients(b, w.Local)
	case w.Peer != "":
		return append(b, w.Peer...)
	}
	return append(b, w.Proto...)
}

// forWhom is who is kept waiting by an explained wait.
func forWhom(w *wait.Wait) string {
	if w.Explanation == nil {
		return ""
	}
	return string(w.Explanation.For)
}

// appendCause names what most of the wait was for: the longest of the causes of
// an explained wait, else the longest of its own parts without what was idle.
func appendCause(b []byte, w *wait.Wait) []byte {
	var longest wait.Cause
	consider := func(c wait.Cause) (longer bool) {
		if longer = c.Time > longest.Time; longer {
			longest = c
		}
		return longer
	}
	consider(wait.Cause{Kind: wait.CauseNetwork, Peer: w.Peer, Time: w.Network - max(w.Idle, 0)})
	consider(wait.Cause{Kind: wait.CauseNetpoll, Peer: w.Peer, Time: w.Netpoll})
	consider(wait.Cause{Kind: wait.CauseSched, Time: w.Sched})
	socket := longest.Peer != ""
	if w.Explanation != nil {
		for _, c := range w.Explanation.Causes {
			if consider(c) {
				socket = false
			}
		}
	}
	switch {
	case longest.Kind == "":
		return b
	case socket:
		return appendSocket(append(append(b, longest.Kind...), " of "...), w)
	}
	return append(b, longest.String()...)
}

// peerIP is the peer's address without its port.
func peerIP(w *wait.Wait) string {
	host, _, _ := wait.CutPort(w.Peer)
	return host
}

// funcOfLine is the function of the stack's line. It is not stored, since the
// stack and its line tell it.
func funcOfLine(w *wait.Wait) string {
	if w.Stack == nil {
		return ""
	}
	return w.Stack.Func
}

// entry is the outermost of the program's own functions on the stack.
func entry(w *wait.Wait) string {
	if w.Stack == nil {
		return ""
	}
	outermost, _, _ := strings.Cut(w.Stack.Own, ";")
	return outermost
}
