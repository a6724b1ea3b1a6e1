package guest

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// netpolltrace runs the command and returns its standard output.
func netpolltrace(t *testing.T, args ...string) string {
	t.Helper()
	var complaints strings.Builder
	command := exec.CommandContext(t.Context(), filepath.Join(*programs, "netpolltrace"), args...)
	command.Dir = t.TempDir()
	command.Stderr = &complaints
	out, err := command.Output()
	if err != nil {
		t.Fatalf("netpolltrace %s: %v\n%s%s", strings.Join(args, " "), err, out, complaints.String())
	}
	return string(out)
}

// The command as people use it, from doctor to a report.
func TestCommand(t *testing.T) {
	needsMachine(t)
	program := launch(t, "lifecycle")
	defer program.Close()
	pid := strconv.Itoa(program.PID())
	t.Run("doctor", func(t *testing.T) { t.Log(netpolltrace(t, "doctor", "-p", pid)) })
	t.Run("ps", func(t *testing.T) {
		idle := launch(t, "idle", "-conns=3")
		defer idle.Close()
		if out := netpolltrace(t, "ps", "-p", strconv.Itoa(idle.PID())); !strings.Contains(out, "main.readDialed") {
			t.Errorf("ps does not show the readers\n%s", out)
		}
	})
	t.Run("record and report", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "lifecycle.netpolltrace.arrows")
		netpolltrace(t, "record", "-p", pid, "-d", "3s", "-o", file)
		var report struct {
			Totals struct {
				Waits, Lost int64
				NetworkNs   int64 `json:"network_ns"`
			}
			Rows []struct{ Key map[string]any }
		}
		if err := json.Unmarshal([]byte(netpolltrace(t, "report", "--format", "json", "--by", "func", file)), &report); err != nil {
			t.Fatal(err)
		}
		if report.Totals.Waits == 0 || report.Totals.Lost != 0 || report.Totals.NetworkNs == 0 || len(report.Rows) == 0 {
			t.Errorf("the report says %+v", report)
		}
	})
	t.Run("record a command", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "twolines.netpolltrace.arrows")
		// Its standard input is empty, so that the program ends at once.
		out := netpolltrace(t, "record", "-o", file, "--", filepath.Join(*programs, "twolines"))
		if !strings.HasPrefix(out, "ready") {
			t.Errorf("the program's output is %q", out)
		}
	})
}
