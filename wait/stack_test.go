package wait

import "testing"

var code = NewCode(Modules{Own: []string{"example.com/shop"}, Libraries: []string{"github.com/redis/go-redis/v9"}}, nil)

func TestStacksOfFrames(t *testing.T) {
	frame := func(function, file string, line int) Frame { return Frame{Func: function, File: file, Line: line} }
	goexit := frame("runtime.goexit", "runtime/asm_amd64.s", 1700)
	park := frame("runtime.gopark", "runtime/proc.go", 400)
	read := frame("net.(*conn).Read", "net/net.go", 5)
	readLoop := frame("net/http.(*persistConn).readLoop", "net/http/transport.go", 2218)
	for name, c := range map[string]struct {
		frames []Frame // innermost first
		want   *Stack
	}{
		"the innermost frame of the program's own tells most": {
			[]Frame{park, read, frame("main.serve", "/srv/main.go", 88), frame("main.main", "/srv/main.go", 10), goexit},
			&Stack{
				Funcs: "main.main;main.serve;net.(*conn).Read;runtime.gopark",
				Lines: "/srv/main.go:10;/srv/main.go:88;net/net.go:5;runtime/proc.go:400",
				Func:  "main.serve", Line: "/srv/main.go:88",
				Own: "main.main;main.serve",
			},
		},
		"what a library waited for on its behalf": {
			[]Frame{
				park, read, frame("bufio.(*Reader).fill", "bufio/bufio.go", 110),
				frame("github.com/redis/go-redis/v9/internal/proto.(*Reader).readLine", "reader.go", 90),
				frame("github.com/redis/go-redis/v9.(*Client).Get", "redis.go", 50),
				frame("example.com/shop/cart.Get", "/srv/cart/cart.go", 88),
				frame("net/http.HandlerFunc.ServeHTTP", "net/http/server.go", 2294),
				frame("example.com/shop/api.Log.func1", "/srv/api/log.go", 12),
			},
			&Stack{
				Funcs: "example.com/shop/api.Log.func1;net/http.HandlerFunc.ServeHTTP;example.com/shop/cart.Get;" +
					"github.com/redis/go-redis/v9.(*Client).Get;github.com/redis/go-redis/v9/internal/proto.(*Reader).readLine;" +
					"bufio.(*Reader).fill;net.(*conn).Read;runtime.gopark",
				Lines: "/srv/api/log.go:12;net/http/server.go:2294;/srv/cart/cart.go:88;redis.go:50;reader.go:90;bufio/bufio.go:110;net/net.go:5;runtime/proc.go:400",
				Func:  "example.com/shop/cart.Get", Line: "/srv/cart/cart.go:88",
				Via: "github.com/redis/go-redis/v9/internal/proto.(*Reader).readLine",
				Own: "example.com/shop/api.Log.func1;example.com/shop/cart.Get",
			},
		},
		"or the standard library": {
			[]Frame{park, frame("net/http.(*persistConn).roundTrip", "net/http/transport.go", 2700), frame("main.fetch", "/srv/main.go", 36)},
			&Stack{
				Funcs: "main.fetch;net/http.(*persistConn).roundTrip;runtime.gopark",
				Lines: "/srv/main.go:36;net/http/transport.go:2700;runtime/proc.go:400",
				Func:  "main.fetch", Line: "/srv/main.go:36", Via: "net/http.(*persistConn).roundTrip", Own: "main.fetch",
			},
		},
		"a lock that the program's own code took": {
			[]Frame{park, frame("internal/sync.(*Mutex).lockSlow", "internal/sync/mutex.go", 90), frame("sync.(*Mutex).Lock", "sync/mutex.go", 46), frame("main.enter", "/srv/main.go", 58)},
			&Stack{
				Funcs: "main.enter;sync.(*Mutex).Lock;internal/sync.(*Mutex).lockSlow;runtime.gopark",
				Lines: "/srv/main.go:58;sync/mutex.go:46;internal/sync/mutex.go:90;runtime/proc.go:400",
				Func:  "main.enter", Line: "/srv/main.go:58", Own: "main.enter",
			},
		},
		"a library's own goroutine": {
			[]Frame{park, read, frame("github.com/redis/go-redis/v9.(*reader).loop", "redis.go", 7), goexit},
			&Stack{
				Funcs: "github.com/redis/go-redis/v9.(*reader).loop;net.(*conn).Read;runtime.gopark",
				Lines: "redis.go:7;net/net.go:5;runtime/proc.go:400",
				Func:  "github.com/redis/go-redis/v9.(*reader).loop", Line: "redis.go:7",
			},
		},
		"where there is none, what the goroutine was started with": {
			[]Frame{park, read, readLoop, goexit},
			&Stack{
				Funcs: "net/http.(*persistConn).readLoop;net.(*conn).Read;runtime.gopark",
				Lines: "net/http/transport.go:2218;net/net.go:5;runtime/proc.go:400",
				Func:  "net/http.(*persistConn).readLoop", Line: "net/http/transport.go:2218",
			},
		},
		"and not the wrapper of its go statement": {
			[]Frame{park, readLoop, frame("net/http.(*Transport).dialConn.gowrap2", "net/http/transport.go", 1800), goexit},
			&Stack{
				Funcs: "net/http.(*Transport).dialConn.gowrap2;net/http.(*persistConn).readLoop;runtime.gopark",
				Lines: "net/http/transport.go:1800;net/http/transport.go:2218;runtime/proc.go:400",
				Func:  "net/http.(*persistConn).readLoop", Line: "net/http/transport.go:2218",
			},
		},
		"nor as a function of the program's own": {
			[]Frame{park, read, frame("example.com/shop/cart.work", "/srv/cart/work.go", 9), frame("main.main.gowrap1", "/srv/main.go", 3), goexit},
			&Stack{
				Funcs: "main.main.gowrap1;example.com/shop/cart.work;net.(*conn).Read;runtime.gopark",
				Lines: "/srv/main.go:3;/srv/cart/work.go:9;net/net.go:5;runtime/proc.go:400",
				Func:  "example.com/shop/cart.work", Line: "/srv/cart/work.go:9", Own: "example.com/shop/cart.work",
			},
		},
		"wrappers of methods are left out": {
			[]Frame{read, frame("main.(*conn).Read", "<autogenerated>", 1), frame("main.main", "/srv/main.go", 10)},
			&Stack{Funcs: "main.main;net.(*conn).Read", Lines: "/srv/main.go:10;net/net.go:5", Func: "main.main", Line: "/srv/main.go:10", Own: "main.main"},
		},
		"a separator in a name becomes a comma": {
			[]Frame{frame("main.F[struct { A int; B int }]", "/srv/a;b/main.go", 7)},
			&Stack{
				Funcs: "main.F[struct { A int, B int }]", Lines: "/srv/a,b/main.go:7",
				Func: "main.F[struct { A int; B int }]", Line: "/srv/a;b/main.go:7", Own: "main.F[struct { A int, B int }]",
			},
		},
		"only a wrapper of a go statement": {
			[]Frame{frame("net.f.gowrap1", "net/f.go", 3), goexit},
			&Stack{Funcs: "net.f.gowrap1", Lines: "net/f.go:3", Func: "net.f.gowrap1", Line: "net/f.go:3"},
		},
		"goexit alone": {[]Frame{goexit}, nil},
		"none":         {nil, nil},
	} {
		got := NewStack(c.frames, code)
		if got == nil || c.want == nil {
			if got != c.want {
				t.Errorf("%s: %+v, want %+v", name, got, c.want)
			}
			continue
		}
		if *got != *c.want {
			t.Errorf("%s:\n got %+v\nwant %+v", name, *got, *c.want)
		}
	}
}

// A user says for a recording whose code is his own.
func TestAStackOwnedOtherwise(t *testing.T) {
	stack := NewStack([]Frame{
		{"runtime.gopark", "runtime/proc.go", 400},
		{"github.com/redis/go-redis/v9.(*Client).Get", "redis.go", 50},
		{"example.com/shop/cart.Get", "/srv/cart/cart.go", 88},
	}, code)
	owned := stack.Owned(NewCode(Modules{Own: []string{"example.com/shop"}}, []string{"github.com/redis/..."}))
	want := *stack
	want.Func, want.Line, want.Via = "github.com/redis/go-redis/v9.(*Client).Get", "redis.go:50", ""
	want.Own = "example.com/shop/cart.Get;github.com/redis/go-redis/v9.(*Client).Get"
	if *owned != want {
		t.Errorf("\n got %+v\nwant %+v", *owned, want)
	}
}

func TestWhoCalledAccept(t *testing.T) {
	for funcs, want := range map[string]string{
		"main.main;net/http.(*Server).Serve;net.(*TCPListener).Accept;internal/poll.(*FD).Accept":         "net/http.(*Server).Serve",
		"main.main;main.serve;golang.org/x/net/netutil.(*limitListener).Accept;net.(*TCPListener).Accept": "main.serve",
		"net.(*TCPListener).Accept;runtime.gopark":                                                        "",
	} {
		if got := (&Stack{Funcs: funcs}).Caller(); got != want {
			t.Errorf("%s: %q, want %q", funcs, got, want)
		}
	}
}
