package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/netpolltrace/netpolltrace/process"
)

// lookEvery is the time between two looks for a ready file.
const lookEvery = time.Millisecond

// watcher is an observer at work.
type watcher struct {
	observer
	process    *exec.Cmd
	complaints bytes.Buffer
	ended      chan error   // its end, once
	peak       <-chan int64 // its memory, once, after its end
	attached   time.Duration
}

// watch starts an observer and returns when it watches.
func watch(ctx context.Context, o observer) (*watcher, error) {
	w := &watcher{
		observer: o, process: exec.CommandContext(ctx, o.command[0], o.command[1:]...),
		ended: make(chan error, 1),
	}
	w.process.Stderr = &w.complaints
	said := make(chan struct{})
	lines, output := io.Pipe()
	w.process.Stdout = output
	go awaitLine(lines, said)
	began := time.Now()
	if err := w.process.Start(); err != nil {
		output.Close()
		return nil, fmt.Errorf("starting %s: %w", o.command[0], err)
	}
	over := make(chan struct{})
	w.peak = peak(w.process.Process.Pid, over)
	go func() {
		err := w.process.Wait()
		close(over)
		output.Close()
		w.ended <- err
	}()
	if err := w.awaitReady(ctx, said); err != nil {
		w.kill()
		return nil, err
	}
	w.attached = time.Since(began)
	return w, nil
}

// awaitLine closes said at the line "ready" and reads all the rest.
func awaitLine(r io.Reader, said chan<- struct{}) {
	for scanner := bufio.NewScanner(r); scanner.Scan(); {
		if strings.TrimSpace(scanner.Text()) == "ready" {
			close(said)
			break
		}
	}
	io.Copy(io.Discard, r)
}

func (w *watcher) awaitReady(ctx context.Context, said <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		select {
		case <-said:
			return nil
		case <-look.C:
			if _, err := os.Stat(w.readyFile); w.readyFile == "" || errors.Is(err, fs.ErrNotExist) {
				continue
			}
			return nil
		case err := <-w.ended:
			w.ended <- err
			return fmt.Errorf("%s ended before it was ready: %w\n%s", w.command[0], err, &w.complaints)
		case <-ctx.Done():
			return fmt.Errorf("%s was not ready: %w", w.command[0], ctx.Err())
		}
	}
}

// cpu is what the observer has used so far.
func (w *watcher) cpu() (time.Duration, error) {
	p, err := process.Open(w.process.Process.Pid)
	if err != nil {
		return 0, err
	}
	defer p.Close()
	return p.CPUTime()
}

// stop ends the observer in good order and returns its peak memory in bytes.
func (w *watcher) stop() (int64, error) {
	if err := w.process.Process.Signal(syscall.SIGINT); err != nil {
		return 0, fmt.Errorf("interrupting %s: %w", w.command[0], err)
	}
	select {
	case err := <-w.ended:
		w.ended <- err
		if err != nil {
			return 0, fmt.Errorf("ending %s: %w\n%s", w.command[0], err, &w.complaints)
		}
	case <-time.After(limit):
		return 0, fmt.Errorf("%s did not end when interrupted", w.command[0])
	}
	return <-w.peak, nil
}

// kill ends the observer if it is still there, and waits for its end.
func (w *watcher) kill() {
	w.process.Process.Kill()
	w.ended <- <-w.ended
}
