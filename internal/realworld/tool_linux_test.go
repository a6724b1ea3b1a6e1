package realworld

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/netpolltrace/netpolltrace/internal/truth"
	"github.com/netpolltrace/netpolltrace/recording"
	"github.com/netpolltrace/netpolltrace/wait"
)

// asked is how long a test that takes long should take, or skips the test: an
// environment variable says so.
func asked(t *testing.T, variable, target string) time.Duration {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		t.Skipf("it takes minutes: make %s runs it", target)
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		t.Fatalf("%s=%q is not a duration such as 30s", variable, text)
	}
	return d
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("recording needs root")
	}
}

// tool is a netpolltrace executable.
type tool string

func buildTool(t *testing.T) tool {
	t.Helper()
	path := filepath.Join(t.TempDir(), "netpolltrace")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", path, "github.com/netpolltrace/netpolltrace/cmd/netpolltrace")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building netpolltrace: %v\n%s", err, out)
	}
	return tool(path)
}

// command is the tool with arguments, ended with the test.
func (n tool) command(ctx context.Context, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, string(n), args...)
	c.Cancel = func() error { return c.Process.Signal(os.Interrupt) }
	c.WaitDelay = 20 * time.Second
	return c
}

// recorder is a running netpolltrace record.
type recorder struct {
	cmd    *exec.Cmd
	file   string
	stderr bytes.Buffer
}

// record starts to record a process and returns when the recording runs.
func (n tool) record(t *testing.T, pid int, mode, file string, more ...string) *recorder {
	t.Helper()
	ready := filepath.Join(t.TempDir(), "ready")
	r := &recorder{file: file}
	args := []string{"record", "-p", strconv.Itoa(pid), "--mode", mode, "-o", file, "--ready-file", ready}
	r.cmd = n.command(t.Context(), append(args, more...)...)
	r.cmd.Stderr = &r.stderr
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if !appears(ready, time.Minute, r.cmd.Process.Pid) {
		_ = r.cmd.Process.Kill()
		_ = r.cmd.Wait()
		t.Fatalf("netpolltrace does not record: %s", &r.stderr)
	}
	return r
}

// appears waits for a file that a child makes, as long as the child lives.
func appears(file string, limit time.Duration, child int) bool {
	return eventually(limit, func() bool {
		_, err := os.Stat(file)
		return err == nil || ended(child)
	}) && !missing(file)
}

func missing(file string) bool {
	_, err := os.Stat(file)
	return errors.Is(err, os.ErrNotExist)
}

// ended tells whether a child is a zombie or gone.
func ended(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return true
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return strings.HasPrefix(rest, "Z") || strings.HasPrefix(rest, "X")
}

// eventually asks until something is true, for no longer than the limit.
func eventually(limit time.Duration, is func() bool) bool {
	deadline := time.Now().Add(limit)
	for !is() {
		if time.Now().After(deadline) {
			return false
		}
		time.Sleep(5 * time.Millisecond)
	}
	return true
}

// recorded is what a recording holds.
type recorded struct {
	truth.Gather
	meta wait.Meta
}

// wait waits until the recording is over and reads it.
func (r *recorder) wait(t *testing.T) *recorded {
	t.Helper()
	if err := r.cmd.Wait(); err != nil {
		t.Fatalf("netpolltrace record: %v\n%s", err, &r.stderr)
	}
	return readRecording(t, r.file)
}

func readRecording(t *testing.T, file string) *recorded {
	t.Helper()
	reader, err := recording.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	got := &recorded{meta: *reader.Meta()}
	if err := reader.Run(t.Context(), got); err != nil {
		t.Fatal(err)
	}
	if damage := reader.Damage(); damage != nil {
		t.Errorf("%s is damaged: %v", file, damage)
	}
	return got
}

// nothingLost reports what a recording says that it lost.
func (r *recorded) nothingLost(t *testing.T) {
	t.Helper()
	losses, _ := r.Losses()
	for _, loss := range losses {
		t.Error(loss)
	}
}

// report is what netpolltrace prints of a recording.
func (n tool) report(t *testing.T, args ...string) string {
	t.Helper()
	out, err := n.command(t.Context(), append([]string{"report"}, args...)...).Output()
	if err != nil {
		t.Errorf("netpolltrace report: %v", err)
	}
	return string(out)
}
