// Waiters has goroutines wait in every way that a snapshot is to tell, writes
// what it knows of them itself to a file, and says "ready".
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

// View is the program's own view of itself.
type View struct {
	Waiters    []Waiter
	Goroutines string // runtime.Stack of all goroutines
	GOMAXPROCS int
	NumCPU     int
	PID        int
}

// Waiter is a goroutine that waits.
type Waiter struct {
	// Kind is the protocol and, where it has one, the role of what it waits
	// for; or else what it does.
	Kind        string
	Goid        uint64
	FD          int // -1 for none
	Write       bool
	Local, Peer string
}

var (
	conns = flag.Int("conns", 3, "idle TCP connections")
	work  = flag.Bool("work", false, "do not wait alone, but work as hard as can be as well")
	up    = flag.Bool("up", false, "switch the loopback interface on first")
	view  = flag.String("view", "view.json", "file to write")

	mu      sync.Mutex
	waiters []Waiter
)

func main() {
	flag.Parse()
	if *up {
		bringUp()
	}
	dir := filepath.Dir(*view)
	tcp(*conns)
	unix(filepath.Join(dir, "socket"))
	unix("@netpolltrace-waiters-" + fmt.Sprint(os.Getpid()))
	udp()
	pipe()
	blockedWrite()
	blocked()
	systemCall()
	foreignEpoll()
	callback()

	v := View{Goroutines: settled(), GOMAXPROCS: runtime.GOMAXPROCS(0), NumCPU: runtime.NumCPU(), PID: os.Getpid()}
	mu.Lock()
	v.Waiters = waiters
	mu.Unlock()
	text, err := json.Marshal(v)
	check(err)
	check(os.WriteFile(*view, text, 0o600))
	if *work {
		busy()
	}
	fmt.Println("ready")
	io.Copy(io.Discard, os.Stdin)
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// bringUp switches the loopback interface of a new network namespace on.
func bringUp() {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM, 0)
	check(err)
	defer syscall.Close(fd)
	request := struct { // struct ifreq
		name  [syscall.IFNAMSIZ]byte
		flags uint16
		_     [22]byte
	}{name: [...]byte{0: 'l', 1: 'o', 15: 0}, flags: syscall.IFF_UP}
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), syscall.SIOCSIFFLAGS, uintptr(unsafe.Pointer(&request)))
	if errno != 0 {
		log.Fatal(errno)
	}
}

// note notes down what the calling goroutine is about to do.
func note(w Waiter) {
	w.Goid = goid()
	mu.Lock()
	defer mu.Unlock()
	waiters = append(waiters, w)
}

func goid() uint64 {
	var buf [64]byte
	var id uint64
	_, err := fmt.Sscanf(string(buf[:runtime.Stack(buf[:], false)]), "goroutine %d ", &id)
	check(err)
	return id
}

// systemCalls is how many goroutines wait in a system call.
const systemCalls = 2

var (
	running = regexp.MustCompile(`(?m)^goroutine \d+ \[runn`)
	calling = regexp.MustCompile(`(?m)^goroutine \d+ \[syscall`)
)

// settled returns a dump of all goroutines in which only this one runs.
func settled() string {
	buf := make([]byte, 64<<20)
	for {
		mu.Lock()
		noted := len(waiters)
		mu.Unlock()
		dump := buf[:runtime.Stack(buf, true)]
		if len(running.FindAll(dump, -1)) == 1 && len(calling.FindAll(dump, -1)) == systemCalls && noted == runtime.NumGoroutine()-1 {
			return string(dump)
		}
		time.Sleep(time.Millisecond)
	}
}

func descriptor(c syscall.Conn) int {
	raw, err := c.SyscallConn()
	check(err)
	fd := -1
	check(raw.Control(func(f uintptr) { fd = int(f) }))
	return fd
}

type conn interface {
	net.Conn
	syscall.Conn
}

func acceptNext(kind string, l net.Listener) {
	note(Waiter{Kind: kind, FD: descriptor(l.(syscall.Conn)), Local: l.Addr().String()})
	l.Accept()
}

func waiter(kind string, c conn) Waiter {
	w := Waiter{Kind: kind, FD: descriptor(c), Local: name(c.LocalAddr())}
	if peer := c.RemoteAddr(); peer != nil {
		w.Peer = name(peer)
	}
	return w
}

// name is an address as text; a unix socket without one is "@" or "" to Go.
func name(a net.Addr) string {
	if a.String() == "@" {
		return ""
	}
	return a.String()
}

func readNext(kind string, c conn) {
	note(waiter(kind, c))
	c.Read(make([]byte, 1))
}

func pair(l net.Listener) (dialed, accepted conn) {
	d, err := net.Dial(l.Addr().Network(), l.Addr().String())
	check(err)
	a, err := l.Accept()
	check(err)
	return d.(conn), a.(conn)
}

// The functions below start goroutines by closures: of "go f(x)" the compiler
// makes a wrapper, which dumps do not show.

func tcp(n int) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0", ":0"} {
		l, err := net.Listen("tcp", address)
		if err != nil {
			continue // no IPv6 here
		}
		for i := 0; i < n; i++ {
			d, a := pair(l)
			go func() { readNext("tcp dialed", d) }()
			go func() { readNext("tcp accepted", a) }()
		}
		n = 1
		go func() { acceptNext("tcp listening", l) }()
	}
}

func unix(address string) {
	l, err := net.Listen("unix", address)
	check(err)
	d, a := pair(l)
	go func() { readNext("unix dialed", d) }()
	go func() { readNext("unix accepted", a) }()
	go func() { acceptNext("unix listening", l) }()
}

func udp() {
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	check(err)
	client, err := net.Dial("udp", server.LocalAddr().String())
	check(err)
	go func() { readNext("udp", server.(*net.UDPConn)) }()
	go func() { readNext("udp dialed", client.(conn)) }()
}

func pipe() {
	r, w, err := os.Pipe()
	check(err)
	go func() {
		note(Waiter{Kind: "pipe", FD: descriptor(r)})
		r.Read(make([]byte, 1))
		w.Close()
	}()
}

func blockedWrite() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	d, a := pair(l)
	go func() {
		w := waiter("tcp dialed", d)
		w.Write = true
		note(w)
		d.Write(make([]byte, 64<<20))
		a.Close()
		l.Close()
	}()
}

func blocked() {
	go func() {
		note(Waiter{Kind: "sleep", FD: -1})
		time.Sleep(time.Hour)
	}()
	go func() {
		note(Waiter{Kind: "chan receive", FD: -1})
		<-make(chan int)
	}()
	go func() {
		note(Waiter{Kind: "select", FD: -1})
		select {
		case <-make(chan int):
		case <-make(chan string):
		}
	}()
	go func() { recurse(300) }()
}

func recurse(n int) {
	if n > 0 {
		recurse(n - 1)
		return
	}
	note(Waiter{Kind: "deep", FD: -1})
	<-make(chan int)
}

func systemCall() {
	var fds [2]int
	check(syscall.Pipe(fds[:]))
	go func() {
		note(Waiter{Kind: "syscall", FD: -1})
		syscall.Read(fds[0], make([]byte, 1))
	}()
}

// foreignEpoll has an event loop of its own, as some servers do.
func foreignEpoll() {
	ep, err := syscall.EpollCreate1(0)
	check(err)
	for i := 0; i < 20; i++ {
		var fds [2]int
		check(syscall.Pipe(fds[:]))
		check(syscall.EpollCtl(ep, syscall.EPOLL_CTL_ADD, fds[0], &syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(fds[0])}))
	}
	go func() {
		note(Waiter{Kind: "syscall", FD: -1})
		syscall.EpollWait(ep, make([]syscall.EpollEvent, 1), -1)
	}()
}

// busy has goroutines wait for moments only, begin, end, and grow their stacks.
func busy() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	for i := 0; i < 20; i++ {
		d, a := pair(l)
		depth := i
		go func() {
			for {
				d.Write([]byte{0})
				grow(depth, d)
			}
		}()
		go io.Copy(a, a)
	}
	for i := 0; i < 20; i++ {
		go func() {
			done := make(chan bool)
			for n := 0; ; n++ {
				go func(n int) {
					grow(n%50, nil)
					done <- true
				}(n)
				<-done
			}
		}()
	}
	go func() {
		for {
			runtime.GC() // which shrinks stacks
		}
	}()
}

// grow reads from a connection n frames deep.
func grow(n int, c net.Conn) {
	var frame [256]byte
	switch {
	case n > 0:
		grow(n-1, c)
	case c != nil:
		c.Read(frame[:1])
	default:
		runtime.Gosched()
	}
	runtime.KeepAlive(&frame)
}
