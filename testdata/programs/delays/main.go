// Command delays makes waits whose parts are known beforehand. The asking
// functions have a name for each part, so that a report by function shows
// whether the time landed where it belongs.
//
// Commands, each with a number of rounds:
//
//	network   a peer that answers after 5 ms, nothing else to do
//	netpoll   the peer answers after -delay, but one busy goroutine has the only
//	          processor and never leaves the scheduler without work: nobody
//	          polls until sysmon does, every 10 ms
//	queue     as netpoll, but four goroutines compute without a pause: after
//	          sysmon has polled, there are turns of 10 ms to wait for
//	sched     a read is woken by a deadline in the past, set by a goroutine that
//	          then keeps the only processor for 5 ms
//	channel   as sched, with a channel
//
// Result: rounds, and the median of late_ns: from the peer's answer (or the
// waking) until the goroutine ran.
package main

import (
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"sort"
	"strconv"
	"time"

	"github.com/netpolltrace/netpolltrace/testdata/cue"
)

const (
	networkDelay = 5 * time.Millisecond
	schedDelay   = 5 * time.Millisecond
)

var otherDelay time.Duration

func main() {
	flag.DurationVar(&otherDelay, "delay", time.Millisecond, "until the answer or the waking, of all but network")
	peer := flag.Bool("peer", false, "be the peer: a server that answers after the delay that it is asked for")
	flag.Parse()
	if *peer {
		cue.Check(servePeer())
		return
	}
	conn, err := startPeer()
	cue.Check(err)
	cue.Serve("", map[string]cue.Command{
		"network": repeat(func() (int64, error) { return askNetwork(conn) }),
		"netpoll": onOneProcessor(repeat(func() (int64, error) { return askNetpoll(conn) }), spinPolitely),
		"queue":   onOneProcessor(repeat(func() (int64, error) { return askQueue(conn) }), spin, spin, spin, spin),
		"sched":   onOneProcessor(repeat(func() (int64, error) { return askSched(conn) })),
		"channel": onOneProcessor(repeat(askChannel)),
	})
}

// The asking functions return how late they ran, in nanoseconds.

func askNetwork(conn net.Conn) (int64, error) {
	if err := question(conn, networkDelay); err != nil {
		return 0, err
	}
	var answer [8]byte
	_, err := io.ReadFull(conn, answer[:])
	return lateness(answer), err
}

func askNetpoll(conn net.Conn) (int64, error) {
	if err := question(conn, otherDelay); err != nil {
		return 0, err
	}
	var answer [8]byte
	_, err := io.ReadFull(conn, answer[:])
	return lateness(answer), err
}

func askQueue(conn net.Conn) (int64, error) {
	if err := question(conn, otherDelay); err != nil {
		return 0, err
	}
	var answer [8]byte
	_, err := io.ReadFull(conn, answer[:])
	return lateness(answer), err
}

func askSched(conn net.Conn) (int64, error) {
	woken := make(chan int64, 1)
	go func() {
		time.Sleep(otherDelay)
		woken <- cue.Monotonic()
		conn.SetReadDeadline(time.Unix(1, 0))
		spinFor(schedDelay)
	}()
	_, err := conn.Read(make([]byte, 1))
	late := cue.Monotonic() - <-woken
	if !os.IsTimeout(err) {
		return 0, fmt.Errorf("read under a deadline in the past: %v", err)
	}
	return late, conn.SetReadDeadline(time.Time{})
}

func askChannel() (int64, error) {
	woken := make(chan int64)
	go func() {
		time.Sleep(otherDelay)
		woken <- cue.Monotonic()
		spinFor(schedDelay)
	}()
	at := <-woken
	return cue.Monotonic() - at, nil
}

// question asks the peer to answer after a delay.
func question(conn net.Conn, delay time.Duration) error {
	var message [8]byte
	binary.BigEndian.PutUint64(message[:], uint64(delay))
	_, err := conn.Write(message[:])
	return err
}

// lateness is the time since the peer's answer, which says when it was sent.
func lateness(answer [8]byte) int64 {
	return cue.Monotonic() - int64(binary.BigEndian.Uint64(answer[:]))
}

// repeat makes a command of an asking function.
func repeat(ask func() (int64, error)) cue.Command {
	return func(args []string) (string, error) {
		if len(args) != 1 {
			return "", fmt.Errorf("want a number of rounds, have %d arguments", len(args))
		}
		rounds, err := strconv.Atoi(args[0])
		if err != nil || rounds < 1 {
			return "", fmt.Errorf("%q is not a number of rounds", args[0])
		}
		late := make([]int64, rounds)
		for i := range late {
			if late[i], err = ask(); err != nil {
				return "", err
			}
		}
		sort.Slice(late, func(i, j int) bool { return late[i] < late[j] })
		return fmt.Sprintf("rounds=%d late_ns=%d", rounds, late[rounds/2]), nil
	}
}

// onOneProcessor runs a command with GOMAXPROCS 1 beside goroutines that spin.
func onOneProcessor(command cue.Command, spinners ...func(over <-chan struct{})) cue.Command {
	return func(args []string) (string, error) {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
		over := make(chan struct{})
		defer close(over)
		for _, spinner := range spinners {
			go spinner(over)
		}
		return command(args)
	}
}

// spinPolitely yields every 50 us, so that who is runnable runs at once; the
// scheduler finds it in the queue again and does not come to poll.
func spinPolitely(over <-chan struct{}) {
	for !closed(over) {
		spinFor(50 * time.Microsecond)
		runtime.Gosched()
	}
}

// spin never yields.
func spin(over <-chan struct{}) {
	for !closed(over) {
		spinFor(time.Millisecond)
	}
}

func spinFor(length time.Duration) {
	for end := cue.Monotonic() + int64(length); cue.Monotonic() < end; {
	}
}

func closed(over <-chan struct{}) bool {
	select {
	case <-over:
		return true
	default:
		return false
	}
}

// startPeer starts the peer, a process of its own so that no processor of ours
// is needed for its answers, and connects to it. The peer ends with us.
func startPeer() (net.Conn, error) {
	peer := exec.Command("/proc/self/exe", "-peer")
	peer.Stderr = os.Stderr
	out, err := peer.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if _, err := peer.StdinPipe(); err != nil {
		return nil, err
	}
	if err := peer.Start(); err != nil {
		return nil, err
	}
	var addr string
	if _, err := fmt.Fscanln(out, &addr); err != nil {
		return nil, fmt.Errorf("reading the peer's address: %w", err)
	}
	go peer.Wait()
	return net.Dial("tcp", addr)
}

func servePeer() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr())
	go func() {
		conn, err := listener.Accept()
		for err == nil {
			err = answer(conn)
		}
	}()
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

func answer(conn net.Conn) error {
	var message [8]byte
	if _, err := io.ReadFull(conn, message[:]); err != nil {
		return err
	}
	time.Sleep(time.Duration(binary.BigEndian.Uint64(message[:])))
	binary.BigEndian.PutUint64(message[:], uint64(cue.Monotonic()))
	_, err := conn.Write(message[:])
	return err
}
