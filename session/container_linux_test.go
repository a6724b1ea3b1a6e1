package session_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/netpolltrace/netpolltrace/internal/testprogram"
	"github.com/netpolltrace/netpolltrace/wait"
)

// unshare is the program that makes namespaces; without it the test is skipped.
func unshare(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("unshare")
	if err != nil {
		t.Skipf("there is no unshare(1) to make namespaces with: %v", err)
	}
	return path
}

// onlyChild is the PID of a process's only child.
func onlyChild(t *testing.T, pid int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		t.Fatal(err)
	}
	child, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return child
}

func TestATargetInAContainer(t *testing.T) {
	needsRecording(t)
	root := t.TempDir()
	app, err := testprogram.Build{Env: []string{"CGO_ENABLED=0"}, Flags: []string{"-ldflags=-s -w"}}.Program(t.Context(), "endings", root)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(root, "tmp"), 0o700); err != nil {
		t.Fatal(err)
	}
	hasAll(t, func() ([]*recording, []known) {
		program := start(t, unshare(t), "--fork", "--pid", "--mount", "--root", root, "/"+filepath.Base(app))
		pid := onlyChild(t, program.PID())
		r := attach(t, pid, settings{mode: wait.ModeIO})
		do(t, program, "run", "/log")
		r.end(t)
		r.complete(t)
		r.onlyOf(t, pid)
		if r.meta.Targets[0].Exe != "/endings" || r.meta.Targets[0].PID != pid {
			t.Errorf("the target is %+v, want /endings with PID %d", r.meta.Targets, pid)
		}
		closes(t, program)
		return []*recording{r}, readKnown(t, filepath.Join(root, "log"))
	})
}

// insideVar tells this test's executable that it runs in a PID namespace of
// its own.
const insideVar = "NETPOLLTRACE_SESSION_TEST_INSIDE"

// The numbers of the namespace that the tracer is in are what a user there
// knows the target by.
func TestATracerInAContainer(t *testing.T) {
	needsRecording(t)
	if os.Getenv(insideVar) == "" {
		again := exec.Command(unshare(t), "--fork", "--pid", "--mount-proc", self(t), "-test.v", "-test.run", "^"+t.Name()+"$")
		again.Env = append(os.Environ(), insideVar+"=1")
		out, err := again.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
			t.Errorf("in a PID namespace: %v\n%s", err, out)
		}
		return
	}
	t.Run("beside its target", func(t *testing.T) {
		recordEndings(t, func() (*testprogram.Process, int) {
			program := launch(t, "endings")
			return program, program.PID()
		})
	})
	t.Run("above its target", func(t *testing.T) {
		recordEndings(t, func() (*testprogram.Process, int) {
			program := start(t, unshare(t), "--fork", "--pid", build(t, "endings"))
			return program, onlyChild(t, program.PID())
		})
	})
}

// recordEndings records endings, which is started with its PID, and holds what was
// recorded against what it says.
func recordEndings(t *testing.T, begin func() (program *testprogram.Process, pid int)) {
	t.Helper()
	hasAll(t, func() ([]*recording, []known) {
		program, pid := begin()
		r := attach(t, pid, settings{mode: wait.ModeAll})
		log := scratch(t, "log")
		do(t, program, "run", log)
		r.end(t)
		r.complete(t)
		r.onlyOf(t, pid)
		closes(t, program)
		return []*recording{r}, readKnown(t, log)
	})
}

func self(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestATargetWhoseExecutableIsNotThereAnyMore(t *testing.T) {
	for name, spoil := range map[string]func(path string) error{
		"deleted": os.Remove,
		"replaced": func(path string) error {
			if err := os.Remove(path); err != nil {
				return err
			}
			return os.WriteFile(path, []byte("a new release"), 0o755)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			needsRecording(t)
			recordEndings(t, func() (*testprogram.Process, int) {
				path := buildInto(t, "endings", t.TempDir())
				program := start(t, path)
				if err := spoil(path); err != nil {
					t.Fatal(err)
				}
				return program, program.PID()
			})
		})
	}
}
