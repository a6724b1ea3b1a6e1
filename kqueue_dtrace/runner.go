package dtrace

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Open starts dtrace(1) on a live process and waits until its probes are in
// place; that takes seconds. From its return on, waits are recorded.
func Open(ctx context.Context, config Config) (*Source, error) {
	script, err := NewScript(config.Binary, config.Mode)
	if err != nil {
		return nil, fmt.Errorf("process %d (%s): %w", config.Process.PID, config.Process.Name, err)
	}
	run, pieces, err := start(script, config)
	if err != nil {
		return nil, err
	}
	stopping := context.AfterFunc(ctx, run.stop)
	defer stopping()
	s, err := begin(config, pieces, run)
	if err != nil {
		return nil, errors.Join(err, run.close())
	}
	return s, nil
}

// runner is a dtrace(1) that runs.
type runner struct {
	command *exec.Cmd
	script  string // the file
	pieces  chan piece
	exited  chan struct{}
	status  error // of the process; read after exited is closed

	mutex sync.Mutex
	last  []string // the last that it said on stderr
	asked bool     // to stop
}

// keptLines is how many of its last words are kept for an error.
const keptLines = 3

// start runs a script.
func start(script *Script, config Config) (*runner, <-chan piece, error) {
	file, err := os.CreateTemp("", "netpolltrace-*.d")
	if err != nil {
		return nil, nil, err
	}
	_, err = script.WriteTo(file)
	if err = errors.Join(err, file.Close()); err != nil {
		return nil, nil, errors.Join(err, os.Remove(file.Name()))
	}
	argv := config.Command
	if argv == nil {
		argv = []string{"dtrace"}
	}
	argv = append(argv[:len(argv):len(argv)], "-q", "-s", file.Name(), "-p", fmt.Sprint(config.Process.PID))
	r := &runner{command: exec.Command(argv[0], argv[1:]...), script: file.Name(), pieces: make(chan piece, 64), exited: make(chan struct{})}
	r.command.SysProcAttr = ownGroup() // a Ctrl-C is for us, who end it in order
	stdout, err := r.command.StdoutPipe()
	if err != nil {
		return nil, nil, errors.Join(err, os.Remove(r.script))
	}
	stderr, err := r.command.StderrPipe()
	if err != nil {
		return nil, nil, errors.Join(err, os.Remove(r.script))
	}
	if err := r.command.Start(); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("starting dtrace: %w; it is part of macOS and FreeBSD", err), os.Remove(r.script))
	}
	go r.pump(stdout, stderr, r.pieces)
	return r, r.pieces, nil
}

// pump sends all that dtrace prints, and waits for its end.
func (r *runner) pump(stdout, stderr io.Reader, to chan<- piece) {
	defer close(to)
	var both sync.WaitGroup
	both.Go(func() {
		lines := bufio.NewScanner(stderr)
		for lines.Scan() {
			r.heard(lines.Text())
			to <- piece{output: []byte(lines.Text()), said: true}
		}
	})
	both.Go(func() {
		for {
			buffer := make([]byte, 64<<10)
			n, err := stdout.Read(buffer)
			if n > 0 {
				to <- piece{output: buffer[:n]}
			}
			if err != nil {
				return
			}
		}
	})
	both.Wait()
	r.status = r.command.Wait()
	close(r.exited)
	to <- piece{err: io.EOF}
}

func (r *runner) heard(line string) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.last = append(r.last, line)
	r.last = r.last[max(0, len(r.last)-keptLines):]
}

// words is what dtrace said last.
func (r *runner) words() string {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return strings.Join(r.last, "; ")
}

// stop tells dtrace to print what it has and to end. It is never killed: that
// would leave its probes in the process. An interrupt it may have been told to
// ignore.
func (r *runner) stop() {
	r.mutex.Lock()
	asked := r.asked
	r.asked = true
	r.mutex.Unlock()
	if !asked {
		// Nothing can be done where it has ended already.
		_ = r.command.Process.Signal(syscall.SIGTERM)
	}
}

// died is why dtrace ended without being asked to; empty if it ended in order,
// as it does with the process.
func (r *runner) died() string {
	<-r.exited
	if r.status == nil {
		return ""
	}
	if words := r.words(); words != "" {
		return fmt.Sprintf("%v: %s", r.status, words)
	}
	return r.status.Error()
}

// failure is why nothing was recorded.
func (r *runner) failure() error {
	why := r.died()
	if why == "" {
		why = "it ended before its first record"
	}
	return fmt.Errorf("recording by DTrace: %s; netpolltrace doctor tells what it takes", why)
}

// closeTimeout is how long dtrace may take to end.
const closeTimeout = 30 * time.Second

// close ends dtrace and removes the script.
func (r *runner) close() error {
	r.stop()
	go func() {
		for range r.pieces { // or it could not print the rest, and end
		}
	}()
	err := os.Remove(r.script)
	select {
	case <-r.exited:
		return err
	case <-time.After(closeTimeout):
		return errors.Join(err, fmt.Errorf("dtrace (process %d) has not ended in %v; it was not killed, which would leave its probes behind", r.command.Process.Pid, closeTimeout))
	}
}
