package report

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/netpolltrace/netpolltrace/wait"
)

// Key is the name of something that waits can be grouped by.
type Key string

// The keys of --by.
const (
	KeyPeer      Key = "peer"
	KeyPeerIP    Key = "peer_ip"
	KeyLocal     Key = "local"
	KeyLine      Key = "line"
	KeyGoroutine Key = "goroutine"
	KeyStart     Key = "start"
	KeyStack     Key = "stack"
	KeyFunc      Key = "func"
	KeyFD        Key = "fd"
	KeyReason    Key = "reason"
	KeyOp        Key = "op"
	KeyOutcome   Key = "outcome"
	KeyProto     Key = "proto"
	KeyRole      Key = "role"
	KeyPoller    Key = "poller"
	KeyThread    Key = "thread"
	KeyP         Key = "p"
	KeyProcess   Key = "process"
	KeyPID       Key = "pid"
	KeyHost      Key = "host"
)

// keyDef is one row of the table of keys. An empty text means that the wait
// has no such thing or that it is not known.
type keyDef struct {
	name    Key
	header  string // at the head of a column for people
	numeric bool   // its text is a decimal number
	long    bool   // often wider than a column
	text    func(b []byte, w *wait.Wait) []byte
}

// keyTable returns the table of keys, in the order in which help shows them.
func keyTable() []keyDef {
	return []keyDef{
		{name: KeyPeer, header: "PEER", text: appendPeer},
		{name: KeyPeerIP, header: "PEER IP", text: func(b []byte, w *wait.Wait) []byte { return append(b, hostOf(w.Peer)...) }},
		{name: KeyLocal, header: "LOCAL", text: func(b []byte, w *wait.Wait) []byte { return append(b, w.Local...) }},
		{name: KeyLine, header: "LINE", long: true, text: fromStack(func(s *wait.Stack) string { return s.Line })},
		{name: KeyGoroutine, header: "GOROUTINE", numeric: true, text: appendGoroutine},
		{name: KeyStart, header: "STARTED WITH", text: func(b []byte, w *wait.Wait) []byte { return append(b, w.StartFunc...) }},
		{name: KeyStack, header: "STACK", long: true, text: fromStack(func(s *wait.Stack) string { return s.Funcs })},
		{name: KeyFunc, header: "FUNC", text: fromStack(func(s *wait.Stack) string { return s.Func })},
		{name: KeyFD, header: "FD", numeric: true, text: number(func(w *wait.Wait) int32 { return w.FD })},
		{name: KeyReason, header: "REASON", text: func(b []byte, w *wait.Wait) []byte { return append(b, w.Reason...) }},
		{name: KeyOp, header: "OP", text: func(b []byte, w *wait.Wait) []byte { return append(b, w.Op...) }},
		{name: KeyOutcome, header: "OUTCOME", text: func(b []byte, w *wait.Wait) []byte { return append(b, w.Outcome...) }},
		{name: KeyProto, header: "PROTO", text: func(b []byte, w *wait.Wait) []byte { return append(b, w.Proto...) }},
		{name: KeyRole, header: "ROLE", text: func(b []byte, w *wait.Wait) []byte { return append(b, w.Role...) }},
		{name: KeyPoller, header: "POLLER", text: func(b []byte, w *wait.Wait) []byte { return append(b, w.Poller...) }},
		{name: KeyThread, header: "THREAD", numeric: true, text: number(func(w *wait.Wait) int32 { return w.TID })},
		{name: KeyP, header: "P", numeric: true, text: number(func(w *wait.Wait) int32 { return w.P })},
		{name: KeyProcess, header: "PROCESS", text: fromProcess(func(p *wait.Process) string { return p.Name })},
		{name: KeyPID, header: "PID", numeric: true, text: appendPID},
		{name: KeyHost, header: "HOST", text: fromProcess(func(p *wait.Process) string { return p.Host })},
	}
}

// KeyNames are the keys of --by.
func KeyNames() []string {
	var names []string
	for _, def := range keyTable() {
		names = append(names, string(def.name))
	}
	return names
}

func keyNamed(name Key) (keyDef, error) {
	for _, def := range keyTable() {
		if def.name == name {
			return def, nil
		}
	}
	return keyDef{}, fmt.Errorf("unknown key %q; keys: %s", name, strings.Join(KeyNames(), ", "))
}

// ParseKeys reads a list of keys as --by takes it: peer,line. Its error says
// which keys there are.
func ParseKeys(list string) ([]Key, error) {
	var keys []Key
	for name := range strings.SplitSeq(list, ",") {
		def, err := keyNamed(Key(strings.TrimSpace(name)))
		if err != nil {
			return nil, err
		}
		keys = append(keys, def.name)
	}
	return keys, nil
}

// appendPeer names whom the wait was for. Those who connect to a listening
// port are one peer, since their own ports say nothing; a descriptor without
// an address (a pipe) goes by its kind.
func appendPeer(b []byte, w *wait.Wait) []byte {
	switch {
	case w.Role == wait.RoleAccepted || w.Role == wait.RoleListening:
		b = append(b, "clients of "...)
		return append(b, w.Local[hostLen(w.Local):]...)
	case w.Peer != "":
		return append(b, w.Peer...)
	}
	return append(b, w.Proto...)
}

// hostOf is an address without its port and brackets.
func hostOf(address string) string {
	if n := hostLen(address); n > 0 {
		address = address[:n]
	}
	return strings.TrimSuffix(strings.TrimPrefix(address, "["), "]")
}

// hostLen is the length of what stands before ":port" in an address. It is 0
// for what has no port, such as the path of a Unix socket.
func hostLen(address string) int {
	colon := strings.LastIndexByte(address, ':')
	if colon < 0 {
		return 0
	}
	for _, c := range []byte(address[colon+1:]) {
		if c < '0' || c > '9' {
			return 0
		}
	}
	return colon
}

func appendGoroutine(b []byte, w *wait.Wait) []byte {
	if w.Goid == 0 {
		return b
	}
	return strconv.AppendUint(b, w.Goid, 10)
}

func appendPID(b []byte, w *wait.Wait) []byte {
	if w.Process == nil {
		return b
	}
	return strconv.AppendInt(b, int64(w.Process.PID), 10)
}

func number(get func(*wait.Wait) int32) func([]byte, *wait.Wait) []byte {
	return func(b []byte, w *wait.Wait) []byte {
		n := get(w)
		if n < 0 {
			return b
		}
		return strconv.AppendInt(b, int64(n), 10)
	}
}

func fromStack(get func(*wait.Stack) string) func([]byte, *wait.Wait) []byte {
	return func(b []byte, w *wait.Wait) []byte {
		if w.Stack == nil {
			return b
		}
		return append(b, get(w.Stack)...)
	}
}

func fromProcess(get func(*wait.Process) string) func([]byte, *wait.Wait) []byte {
	return func(b []byte, w *wait.Wait) []byte {
		if w.Process == nil {
			return b
		}
		return append(b, get(w.Process)...)
	}
}
