package testprogram

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// grace is how long a program may take to end after its standard input did.
const grace = 10 * time.Second

// Result is what a program said with "ready" or "done": its key=value words.
type Result map[string]string

// Process is a running test program. Its methods are for one goroutine.
type Process struct {
	Ready Result // what it said when it was ready

	command *exec.Cmd
	stdin   io.WriteCloser
	lines   *bufio.Scanner
}

// Start runs an executable of [Build.Program] and returns when it is ready to
// be traced. The process is killed when the context ends.
func Start(ctx context.Context, path string, args ...string) (*Process, error) {
	p := &Process{command: exec.CommandContext(ctx, path, args...)}
	p.command.Stderr = os.Stderr
	p.command.WaitDelay = grace
	stdout, err := p.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if p.stdin, err = p.command.StdinPipe(); err != nil {
		return nil, err
	}
	p.lines = bufio.NewScanner(stdout)
	if err := p.command.Start(); err != nil {
		return nil, fmt.Errorf("starting test program: %w", err)
	}
	if p.Ready, err = p.Expect("ready"); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// PID is the process ID.
func (p *Process) PID() int { return p.command.Process.Pid }

// Preemptions is how often a thread of the program that still is there lost its
// processor to another thread.
func (p *Process) Preemptions() (int, error) {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", p.PID()))
	if err != nil {
		return 0, err
	}
	total := 0
	for _, task := range tasks {
		status, err := os.ReadFile(task)
		if err != nil {
			continue // it ended
		}
		_, count, _ := strings.Cut(string(status), "nonvoluntary_ctxt_switches:")
		var n int
		if _, err := fmt.Sscan(count, &n); err != nil {
			return 0, fmt.Errorf("reading %s: %w", task, err)
		}
		total += n
	}
	return total, nil
}

// Do gives the program a command and waits until it is done.
func (p *Process) Do(command ...string) (Result, error) {
	if err := p.Send(command...); err != nil {
		return nil, err
	}
	return p.Expect("done")
}

// Send gives the program a command and does not wait.
func (p *Process) Send(command ...string) error {
	if _, err := fmt.Fprintln(p.stdin, strings.Join(command, " ")); err != nil {
		return fmt.Errorf("sending %q to test program: %w", command, err)
	}
	return nil
}

// Expect waits for the program's next line, which must begin with the word
// (ready or done), and returns what else it says.
func (p *Process) Expect(word string) (Result, error) {
	if !p.lines.Scan() {
		return nil, fmt.Errorf("waiting for %q of test program: it ended (%w)", word, errors.Join(p.lines.Err(), io.EOF))
	}
	fields := strings.Fields(p.lines.Text())
	if len(fields) == 0 || fields[0] != word {
		return nil, fmt.Errorf("waiting for %q of test program: it said %q", word, p.lines.Text())
	}
	result := make(Result)
	for _, field := range fields[1:] {
		key, value, _ := strings.Cut(field, "=")
		result[key] = value
	}
	return result, nil
}

// Close ends the program by ending its standard input and waits for it. It
// returns an error if the program did not end with status 0; one that does not
// end at all is killed.
func (p *Process) Close() error {
	p.stdin.Close()
	kill := time.AfterFunc(grace, func() { p.command.Process.Kill() })
	defer kill.Stop()
	if err := p.command.Wait(); err != nil {
		return fmt.Errorf("ending test program: %w", err)
	}
	return nil
}
