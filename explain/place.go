package explain

import (
	"slices"
	"strings"

	"github.com/netpolltrace/netpolltrace/wait"
)

// place is a function that tells what whoever waits in it waits for.
type place struct {
	// function is its name, without the major version in the path of its module
	// and without type arguments.
	function string
	// blocked is what is waited for there where a goroutine ends the wait, and
	// network where the netpoller does; empty where the place does not tell.
	blocked, network wait.ThingKind
	// name is that of the thing.
	name string
	// dialers begin the names of the functions that goroutines were started with
	// which make connections for those who wait here.
	dialers []string
}

// places has a row for each, the one that counts first: a lock that was wanted on
// the way to a pool is a lock.
var places = []place{
	{function: "sync.(*Mutex).Lock", blocked: wait.ThingLock},
	{function: "sync.(*RWMutex).Lock", blocked: wait.ThingLock},
	{function: "sync.(*RWMutex).RLock", blocked: wait.ThingLock},
	{function: "internal/poll.(*fdMutex).rwlock", blocked: wait.ThingLock},
	{function: "sync.(*WaitGroup).Wait", blocked: wait.ThingGroup},

	{function: "net.(*Dialer).DialContext", blocked: wait.ThingDial, network: wait.ThingDial},
	{function: "crypto/tls.(*Conn).clientHandshake", network: wait.ThingDial},
	{function: "net/http.(*Transport).dialConn", blocked: wait.ThingDial, network: wait.ThingDial},
	{function: "database/sql.(*DB).openNewConnection", blocked: wait.ThingDial, network: wait.ThingDial},
	{function: "github.com/jackc/puddle.(*Pool).initResourceValue", blocked: wait.ThingDial},
	{function: "github.com/jackc/pgx.ConnectConfig", blocked: wait.ThingDial, network: wait.ThingDial},
	{function: "github.com/redis/go-redis/internal/pool.(*ConnPool).queuedNewConn", blocked: wait.ThingDial, network: wait.ThingDial},
	{function: "google.golang.org/grpc.(*pickerWrapper).pick", blocked: wait.ThingDial},

	{
		function: "database/sql.(*DB).conn", blocked: wait.ThingPool, network: wait.ThingDial, name: "database/sql",
		dialers: []string{"database/sql.(*DB).connectionOpener"},
	},
	{function: "github.com/jackc/puddle.(*Pool).acquire", blocked: wait.ThingPool, name: "pgxpool"},
	{function: "github.com/jackc/puddle.(*Pool).Acquire", blocked: wait.ThingPool, name: "pgxpool"},
	{function: "github.com/redis/go-redis/internal/pool.(*ConnPool).waitTurn", blocked: wait.ThingPool, name: "go-redis"},
	{function: "github.com/go-redis/redis/internal/pool.(*ConnPool).waitTurn", blocked: wait.ThingPool, name: "go-redis"},
	{
		function: "net/http.(*Transport).getConn", blocked: wait.ThingPool, name: "net/http",
		dialers: []string{"net/http.(*Transport).startDialConn", "net/http.(*Transport).queueForDial", "net/http.(*Transport).dialConnFor"},
	},
	{function: "net/http.(*http2ClientConn).awaitOpenSlotForStreamLocked", blocked: wait.ThingPool, name: "HTTP/2 streams"},
	{function: "net/http/internal/http2.(*ClientConn).awaitOpenSlotForStreamLocked", blocked: wait.ThingPool, name: "HTTP/2 streams"},
	{function: "golang.org/x/net/http2.(*ClientConn).awaitOpenSlotForStreamLocked", blocked: wait.ThingPool, name: "HTTP/2 streams"},
	{function: "google.golang.org/grpc/internal/transport.(*http2Client).NewStream", blocked: wait.ThingPool, name: "gRPC streams"},
	{function: "golang.org/x/sync/errgroup.(*Group).Go", blocked: wait.ThingPool, name: "errgroup"},
	{function: "golang.org/x/sync/semaphore.(*Weighted).Acquire", blocked: wait.ThingPool, name: "semaphore"},

	{function: "net/http.(*persistConn).roundTrip", blocked: wait.ThingReply},
	{function: "net/http.(*http2ClientConn).roundTrip", blocked: wait.ThingReply},
	{function: "net/http/internal/http2.(*ClientConn).roundTrip", blocked: wait.ThingReply},
	{function: "golang.org/x/net/http2.(*ClientConn).roundTrip", blocked: wait.ThingReply},
	{function: "net/http.http2transportResponseBody.Read", blocked: wait.ThingReply},
	{function: "net/http/internal/http2.transportResponseBody.Read", blocked: wait.ThingReply},
	{function: "golang.org/x/net/http2.transportResponseBody.Read", blocked: wait.ThingReply},
	{function: "google.golang.org/grpc/internal/transport.(*ClientStream).waitOnHeader", blocked: wait.ThingReply},
	{function: "google.golang.org/grpc/internal/transport.(*Stream).waitOnHeader", blocked: wait.ThingReply},
	{function: "google.golang.org/grpc/internal/transport.(*recvBufferReader).readClient", blocked: wait.ThingReply},
	{function: "google.golang.org/grpc/internal/transport.(*recvBufferReader).readMessageHeaderClient", blocked: wait.ThingReply},
	{function: "google.golang.org/grpc/internal/transport.(*recvBufferReader).read", blocked: wait.ThingClient},
	{function: "google.golang.org/grpc/internal/transport.(*recvBufferReader).readMessageHeader", blocked: wait.ThingClient},
	{function: "google.golang.org/grpc/internal/transport.(*writeQuota).get", blocked: wait.ThingSend},

	{function: "net/http.(*persistConn).readLoop", blocked: wait.ThingWork},
	{function: "net/http.(*persistConn).writeLoop", blocked: wait.ThingWork},
	{function: "database/sql.(*DB).connectionOpener", blocked: wait.ThingWork},
	{function: "database/sql.(*DB).connectionCleaner", blocked: wait.ThingWork},
	{function: "google.golang.org/grpc/internal/transport.(*controlBuffer).get", blocked: wait.ThingWork},
	{function: "google.golang.org/grpc/internal/grpcsync.(*CallbackSerializer).run", blocked: wait.ThingWork},
}

// use is how those are known who have one of a pool: by a function on their
// stack while they wait for a peer.
type use struct {
	prefix string // of the function's name, as in [place]
	pool   string // the name of the pool
}

// uses has the outer library before those that it calls.
var uses = []use{
	{"database/sql.", "database/sql"},
	{"github.com/jackc/pgx", "pgxpool"},
	{"github.com/redis/go-redis", "go-redis"},
	{"github.com/go-redis/redis", "go-redis"},
	{"net/http.(*persistConn).roundTrip", "net/http"},
	{"net/http.(*bodyEOFSignal).Read", "net/http"},
}

// reasons are what a goroutine waits for where its place does not tell, by the
// runtime's reason. Up to Go 1.19 locks and groups are semacquire.
var reasons = map[string]wait.ThingKind{
	"sync.Mutex.Lock":     wait.ThingLock,
	"sync.RWMutex.Lock":   wait.ThingLock,
	"sync.RWMutex.RLock":  wait.ThingLock,
	"sync.WaitGroup.Wait": wait.ThingGroup,
	"sync.Cond.Wait":      wait.ThingCond,
	wait.ReasonSleep:      wait.ThingTimer,
	"chan receive":        wait.ThingChannel,
	"chan send":           wait.ThingChannel,
	"select":              wait.ThingChannel,
	// In a bubble of testing/synctest, and where nobody can end it.
	"sync.WaitGroup.Wait (durable)": wait.ThingGroup,
	"chan receive (durable)":        wait.ThingChannel,
	"chan send (durable)":           wait.ThingChannel,
	"select (durable)":              wait.ThingChannel,
	"chan receive (nil chan)":       wait.ThingChannel,
	"chan send (nil chan)":          wait.ThingChannel,
	"select (no cases)":             wait.ThingChannel,
}

// where is what a stack tells.
type where struct {
	place *place // nil where none of the functions is one
	pool  string // of which one is used there; empty if none
	user  spot   // whose it is: the program's own code that called the library
}

// spot is a line of code.
type spot struct {
	line     string // "file:line"
	function string
}

// spotOf is the line that tells most of a stack.
func spotOf(stack *wait.Stack) spot { return spot{stack.Line, stack.Func} }

// finder looks up what stacks tell.
type finder map[string]int // rows of places, by function

func newFinder() finder {
	f := make(finder, len(places))
	for i, p := range places {
		f[p.function] = i
	}
	return f
}

// lookUp goes through the functions of a stack; nil tells nothing.
func (f finder) lookUp(stack *wait.Stack) where {
	if stack == nil {
		return where{}
	}
	first, firstUse, user := len(places), len(uses), -1
	functions := wait.Unfold(stack.Funcs)
	for at, function := range functions {
		function = plain(function)
		if i, ok := f[function]; ok {
			first = min(first, i)
		}
		for i, u := range uses[:firstUse] {
			if strings.HasPrefix(function, u.prefix) {
				if firstUse = i; user < 0 {
					user = at
				}
				break
			}
		}
	}
	var w where
	if first < len(places) {
		w.place = &places[first]
	}
	if firstUse < len(uses) {
		w.pool = uses[firstUse].pool
		w.user = caller(stack, functions[:user])
	}
	return w
}

// caller is the innermost of the program's own code among the outer functions of a
// stack. Where there is none, it is the line that tells most of it.
func caller(stack *wait.Stack, outer []string) spot {
	own, lines := wait.Unfold(stack.Own), wait.Unfold(stack.Lines)
	for i := min(len(outer), len(lines)) - 1; i >= 0; i-- {
		if slices.Contains(own, outer[i]) {
			return spot{lines[i], outer[i]}
		}
	}
	return spotOf(stack)
}

// plain is the name of a function without the major version in the path of its
// module (/v2) and without type arguments.
func plain(function string) string {
	if open := strings.IndexByte(function, '['); open >= 0 {
		if length := strings.LastIndexByte(function[open:], ']'); length >= 0 {
			function = function[:open] + function[open+length+1:]
		}
	}
	for i := 0; ; {
		at := strings.Index(function[i:], "/v")
		if at < 0 {
			return function
		}
		i += at
		end := i + len("/v")
		for end < len(function) && '0' <= function[end] && function[end] <= '9' {
			end++
		}
		if end > i+len("/v") && end < len(function) && (function[end] == '.' || function[end] == '/') {
			return function[:i] + function[end:]
		}
		i += len("/v")
	}
}
