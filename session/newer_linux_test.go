package session_test

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/netpolltrace/netpolltrace/internal/testprogram"
	"github.com/netpolltrace/netpolltrace/process"
	"github.com/netpolltrace/netpolltrace/wait"
)

// fromTheFuture builds a program without DWARF that says of itself that a
// release of Go built it which nobody knows yet.
func fromTheFuture(t *testing.T, name string) string {
	t.Helper()
	needsRecording(t)
	stripped := testprogram.Build{Flags: []string{"-ldflags=-s -w"}}
	path, err := stripped.Program(t.Context(), name, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	now := runtime.Version()
	later := "go1.99." + strings.Repeat("9", len(now)-len("go1.99."))
	path = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, bytes.ReplaceAll(data, []byte(now), []byte(later)), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// openUnknown attaches to a program and returns what came of it.
func openUnknown(t *testing.T, program *testprogram.Process, fresh bool) error {
	t.Helper()
	target, err := process.Open(program.PID())
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	source, err := openSource(settings{mode: wait.ModeIO, fresh: fresh}, target)
	if err != nil {
		return err
	}
	return source.Close()
}

func TestAnUnknownReleaseIsRecordedIfTheProcessAgrees(t *testing.T) {
	program := start(t, fromTheFuture(t, "idle"), "-conns", "2")
	defer program.Close()
	if err := openUnknown(t, program, false); err != nil {
		t.Errorf("a program whose connections fit is refused: %v", err)
	}
	if err := openUnknown(t, program, true); err == nil || !strings.Contains(err.Error(), "go1.99.9 is not known") {
		t.Errorf("a program that has not run yet: %v; want a refusal", err)
	}
}

func TestAnUnknownReleaseIsRefusedWithNothingToCheck(t *testing.T) {
	program := start(t, fromTheFuture(t, "endings"))
	defer program.Close()
	if err := openUnknown(t, program, false); err == nil || !strings.Contains(err.Error(), "attach while it has one") {
		t.Errorf("a program without connections: %v; want a refusal that says what to do", err)
	}
}
