// Command endings waits once for each kind of descriptor, and once for each way
// in which a wait can end, and says what it did.
//
// Commands: run FILE, and connect FILE for connects, which take more than a
// second. The file gets one line for each wait, ten words: what was
// tried, goid, operation, outcome, protocol, role, fd, local and peer address,
// and in how much of the wait no reply was pending: whole, none or part. An empty
// word is "-". Each wait has a goroutine of its own, which waits for nothing
// else.
package main

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"

	"github.com/netpolltrace/netpolltrace/testdata/cue"
)

func main() {
	cue.Serve("", map[string]cue.Command{
		"run": func(args []string) (string, error) {
			dir, err := os.MkdirTemp("", "endings")
			if err != nil {
				return "", err
			}
			defer os.RemoveAll(dir)
			return run(args, append(families(dir), endings()...))
		},
		"connect": func(args []string) (string, error) {
			return run(args, []trial{{"connect", connects}})
		},
	})
}

func run(args []string, trials []trial) (_ string, err error) {
	if len(args) != 1 {
		return "", fmt.Errorf("want a file, have %d arguments", len(args))
	}
	var done book
	failures := make(chan error, len(trials))
	for _, t := range trials {
		go func(t trial) {
			err := t.run(&done)
			if err != nil {
				err = fmt.Errorf("%s: %w", t.name, err)
			}
			failures <- err
		}(t)
	}
	for range trials {
		if failed := <-failures; failed != nil {
			err = failed
		}
	}
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("waits=%d", len(done.lines)), os.WriteFile(args[0], []byte(strings.Join(done.lines, "")), 0o600)
}

// trial is something that leads to one wait or a few.
type trial struct {
	name string
	run  func(*book) error
}

// waiting is one wait to be made and what a tracer should say of it.
type waiting struct {
	name        string
	op, outcome string
	proto, role string
	local, peer string
	unasked     string
	on          syscall.Conn     // nil for a socket that is not a connection yet
	block       func() error     // waits
	end         func() error     // ends the wait; called once it is under way
	want        func(error) bool // what block must return; nil for no error
}

// book has the waits that were made.
type book struct {
	mutex sync.Mutex
	lines []string
}

// do makes a wait and writes it down.
func (b *book) do(w waiting) error {
	started, result := make(chan uint64), make(chan error, 1)
	go func() {
		started <- cue.Goid()
		result <- w.block()
	}()
	goid := <-started
	cue.AwaitParked(goid, "IO wait")
	fd, err := w.fd()
	if err != nil {
		return err
	}
	if err := w.end(); err != nil {
		return fmt.Errorf("ending the %s: %w", w.op, err)
	}
	err = <-result
	if w.want == nil && err != nil || w.want != nil && !w.want(err) {
		return fmt.Errorf("the %s that should be %s returned %v", w.op, w.outcome, err)
	}
	b.mutex.Lock()
	defer b.mutex.Unlock()
	b.lines = append(b.lines, fmt.Sprintln(strings.ReplaceAll(w.name, " ", "_"), goid, w.op, w.outcome, w.proto,
		word(w.role), fd, word(w.local), word(w.peer), w.unasked))
	return nil
}

func (w *waiting) fd() (string, error) {
	if w.on == nil {
		return "-", nil
	}
	raw, err := w.on.SyscallConn()
	if err != nil {
		return "", err
	}
	var number string
	err = raw.Control(func(fd uintptr) { number = fmt.Sprint(fd) })
	return number, err
}

// word is a text as one word. An unnamed unix socket is called @ by package net.
func word(text string) string {
	if text == "" || text == "@" {
		return "-"
	}
	return text
}
