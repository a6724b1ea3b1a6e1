package realworld

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unicode"

	"github.com/netpolltrace/netpolltrace/internal/testprogram"
)

// escape is what a terminal would act upon, and what HTML would.
const escape = "\x1b[31m\a\n\u202e<script>"

// answer is what netpolltrace said.
type answer struct {
	status         int
	stdout, stderr string
}

func (n tool) ask(t *testing.T, args ...string) answer {
	t.Helper()
	c := n.command(t.Context(), args...)
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	c.Dir = t.TempDir()
	var exit *exec.ExitError
	if err := c.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return answer{c.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// refuses checks that an answer is a status and one line that says why.
func (a answer) refuses(t *testing.T, status int, why string) {
	t.Helper()
	if a.status != status || strings.Count(a.stderr, "\n") != 1 || !strings.HasPrefix(a.stderr, "netpolltrace: ") ||
		!strings.Contains(a.stderr, why) || a.stdout != "" {
		t.Errorf("status %d, stderr %q, stdout %q; want status %d and one line with %q", a.status, a.stderr, a.stdout, status, why)
	}
	harmless(t, a.stderr)
}

// harmless checks that a text has nothing in it that a terminal would act upon.
func harmless(t *testing.T, text string) {
	t.Helper()
	if at := strings.IndexFunc(text, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }); at >= 0 {
		t.Errorf("it would reach the terminal: %q", text[at:min(len(text), at+20)])
	}
}

// program builds a test program and gives it a name.
func program(t *testing.T, b testprogram.Build, name, as string) string {
	t.Helper()
	path, err := b.Program(t.Context(), name, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if as == "" {
		return path
	}
	renamed := filepath.Join(filepath.Dir(path), as)
	if err := os.Rename(path, renamed); err != nil {
		t.Fatal(err)
	}
	return renamed
}

func startProgram(t *testing.T, exe string, args ...string) *testprogram.Process {
	t.Helper()
	p, err := testprogram.Start(context.Background(), exe, args...) // it is closed below
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// claimVersion writes a copy of a program that says it was made by another
// version of Go.
func claimVersion(t *testing.T, exe, claimed string) string {
	t.Helper()
	text, err := os.ReadFile(exe)
	if err != nil {
		t.Fatal(err)
	}
	info, err := buildinfo.ReadFile(exe)
	if err != nil {
		t.Fatal(err)
	}
	own := []byte(info.GoVersion)
	changed := bytes.ReplaceAll(text, own, append([]byte(claimed), own[len(claimed):]...))
	path := exe + "-" + claimed
	if err := os.WriteFile(path, changed, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// What netpolltrace is pointed at may be anything.
func TestStrangers(t *testing.T) {
	needRoot(t)
	n := buildTool(t) // once for all, since it takes the longest
	for name, test := range map[string]func(*testing.T, tool){
		"programs that cannot be recorded":       programsThatCannotBeRecorded,
		"commands that cannot be recorded":       commandsThatCannotBeRecorded,
		"executables that change while they run": executablesThatChangeWhileTheyRun,
		"strange names stay words":               strangeNamesStayWords,
	} {
		t.Run(name, func(t *testing.T) { test(t, n) })
	}
}

// runnable tells whether the kernel knows the format of an executable. What it
// starts it ends at once.
func runnable(exe string) bool {
	command := exec.Command(exe)
	err := command.Start()
	if err == nil {
		_ = command.Process.Kill()
		_ = command.Wait()
	}
	return !errors.Is(err, syscall.ENOEXEC)
}

func programsThatCannotBeRecorded(t *testing.T, n tool) {
	life := program(t, testprogram.Build{}, "lifecycle", "")
	for name, c := range map[string]struct{ exe, why string }{
		"32 bits":      {program(t, testprogram.Build{Env: []string{"GOARCH=386"}}, "twolines", ""), "only 64-bit"},
		"strange name": {program(t, testprogram.Build{Env: []string{"GOARCH=386"}}, "twolines", escape), "only 64-bit"},
		"too old":      {claimVersion(t, life, "go1.11"), "go1.11"},
	} {
		t.Run(name, func(t *testing.T) {
			if !runnable(c.exe) {
				t.Skip("this machine does not run 32-bit programs")
			}
			pid := strconv.Itoa(startProgram(t, c.exe).PID())
			n.ask(t, pid).refuses(t, 2, c.why)
			n.ask(t, "record", "-p", pid).refuses(t, 2, c.why)
			n.ask(t, "ps", "-p", pid).refuses(t, 2, c.why)
			n.ask(t, "record", "--", c.exe).refuses(t, 125, c.why)
		})
	}
}

func commandsThatCannotBeRecorded(t *testing.T, n tool) {
	dir := t.TempDir()
	file := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, c := range map[string]struct {
		command string
		status  int
		why     string
	}{
		"script":              {file("script", "#!/bin/sh\nsleep 60\n", 0o755), 125, "not a Go executable"},
		"no Go program":       {"/bin/true", 125, "not a Go executable"},
		"no program":          {file("noise", "noise", 0o755), 126, "exec format error"},
		"may not be run":      {file("data", "noise", 0o644), 126, "permission denied"},
		"folder":              {dir, 126, "permission denied"},
		"not there":           {filepath.Join(dir, "nothing"), 127, "no such file"},
		"not there, and odd":  {filepath.Join(dir, escape), 127, "no such file"},
		"odd interpreter":     {file("odd", "#!"+filepath.Join(dir, "nothing")+"\n", 0o755), 127, "no such file"},
		"script of odd name":  {file(escape[:9], "#!/bin/sh\nsleep 60\n", 0o755), 125, "not a Go executable"},
		"empty":               {file("empty", "", 0o755), 126, "exec format error"},
		"name without a path": {"no-such-program-anywhere", 127, "not found"},
	} {
		t.Run(name, func(t *testing.T) {
			n.ask(t, "record", "--", c.command).refuses(t, c.status, c.why)
		})
	}
}

// A program goes on running when its file is gone or is another one.
func executablesThatChangeWhileTheyRun(t *testing.T, n tool) {
	for name, change := range map[string]func(exe string) error{
		"deleted": os.Remove,
		"replaced": func(exe string) error {
			if err := os.Remove(exe); err != nil {
				return err
			}
			return os.WriteFile(exe, []byte("#!/bin/sh\n"), 0o755)
		},
	} {
		t.Run(name, func(t *testing.T) {
			exe := program(t, testprogram.Build{}, "lifecycle", "")
			pid := startProgram(t, exe).PID()
			if err := change(exe); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(t.TempDir(), "x.netpolltrace.arrows")
			got := n.record(t, pid, "io", file, "-d", "200ms").wait(t)
			got.nothingLost(t)
			if len(got.Waits) == 0 || got.Waits[0].Stack == nil || !strings.HasPrefix(got.Waits[0].Stack.Func, "main.") {
				t.Errorf("%d waits, the first %+v", len(got.Waits), got.Waits)
			}
		})
	}
}

// Names of programs and of sockets are chosen by whoever is looked at.
func strangeNamesStayWords(t *testing.T, n tool) {
	dir, err := os.MkdirTemp("", "n") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	exe := program(t, testprogram.Build{}, "whisper", escape)
	pid := strconv.Itoa(startProgram(t, exe, filepath.Join(dir, escape)).PID())
	said := []answer{n.ask(t, "ps", "-p", pid), n.ask(t, "doctor", "-p", pid)}
	file := filepath.Join(dir, "x.netpolltrace.arrows")
	said = append(said, n.ask(t, "record", "-p", pid, "-d", "200ms", "-o", file))
	for _, format := range []string{"table", "markdown", "json", "csv", "folded"} {
		said = append(said, n.ask(t, "report", "--idle", "--format", format, file))
	}
	for _, a := range said {
		if a.status != 0 {
			t.Errorf("status %d: %s", a.status, a.stderr)
		}
		harmless(t, a.stdout+a.stderr)
	}
	if table := said[3].stdout; !strings.Contains(table, "<script>") {
		t.Errorf("the report does not name the socket:\n%s", table)
	}
}
