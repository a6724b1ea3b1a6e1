package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/netpolltrace/netpolltrace/internal/rights"
	"github.com/netpolltrace/netpolltrace/probes"
	"github.com/netpolltrace/netpolltrace/process"
	"github.com/netpolltrace/netpolltrace/wait"
)

// roleVar tells this test's executable, started again by a test, what to be.
const roleVar = "NETPOLLTRACE_TEST_ROLE"

// The roles: a program that can be recorded, and a doctor that examines one.
const (
	rolePatient = "patient"
	roleDoctor  = "doctor"
)

func TestMain(m *testing.M) {
	switch os.Getenv(roleVar) {
	case rolePatient:
		fmt.Println("ready")
		_, _ = io.Copy(io.Discard, os.Stdin) // until the test is over
	case roleDoctor:
		if err := examineOnly(os.Args[1]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	default:
		os.Exit(m.Run())
	}
}

// examineOnly prints what there is to say of a process, and nothing of the
// machine, since trying all hooks takes its time.
func examineOnly(pid string) error {
	n, err := strconv.Atoi(pid)
	if err != nil {
		return err
	}
	m, err := lookAtMachine()
	if err != nil {
		return err
	}
	var report Report
	examineProcess(&report, m, new(probes.Features), nil, func() (*process.Process, error) { return process.Open(n) })
	return report.WriteJSON(os.Stdout)
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("recording, and becoming another user, takes root")
	}
}

func TestThisMachineAndThisProgram(t *testing.T) {
	needRoot(t)
	open := func() (*process.Process, error) { return process.Open(os.Getpid()) }
	report, err := Examine(context.Background(), open)
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Recordable) == 0 {
		t.Skipf("nothing can be recorded here: %+v", report.Sections)
	}
	names := make([]string, len(report.Sections))
	for i, section := range report.Sections {
		names[i] = section.Name
	}
	if want := []string{"Machine", "Hooks", "Modes", "Process"}; !slices.Equal(names, want) {
		t.Fatalf("sections %v, want %v", names, want)
	}
	for _, mode := range report.Recordable {
		wantFinding(t, find(t, report.Sections[2].Findings, mode), OK, "waits of a loopback exchange", "")
	}
	own := report.Sections[3].Findings
	wantFinding(t, find(t, own, "process"), OK, strconv.Itoa(os.Getpid()), "")
	wantFinding(t, find(t, own, "user"), OK, "as you", "")
	wantFinding(t, find(t, own, "goroutines"), OK, "GOMAXPROCS", "")
}

// What a mode measures is what the hooks that work let it measure.
func TestTrialsMeasureWhatThePlanPromises(t *testing.T) {
	needRoot(t)
	var features probes.Features
	for _, mode := range modes {
		trial := tryHere(context.Background(), &features, mode)
		if trial.err != nil {
			t.Skipf("mode %s cannot be recorded here: %v", mode, trial.err)
		}
		if trial.seen.err != nil {
			t.Skipf("no exchange over loopback: %v", trial.seen.err)
		}
		if trial.seen.waits == 0 {
			t.Errorf("mode %s saw no wait of %d round trips", mode, trips)
		}
		for _, part := range []string{"network", "netpoll", "sched", "stack"} {
			if trial.unmeasured[wait.Part(part)] == "" && trial.seen.measured[part] == 0 {
				t.Errorf("mode %s measured %s in none of %d waits", mode, part, trial.seen.waits)
			}
		}
	}
}

func TestAProcessThatCannotBeOpenedIsAFinding(t *testing.T) {
	report := Report{Recordable: []string{"io"}}
	examineProcess(&report, wellMachine(), new(probes.Features), nil, func() (*process.Process, error) {
		return nil, errors.New("no process with PID 7 here: find it with `pgrep`")
	})
	if len(report.Recordable) != 0 || !strings.Contains(report.Verdict(), "nothing can be recorded") {
		t.Errorf("the verdict is %q", report.Verdict())
	}
	wantFinding(t, find(t, report.Sections[0].Findings, "process"), Fail, "no process with PID 7", "")
}

const nobody = 65534 // the user that owns nothing

// docs/rights.md says what this test shows.
func TestWhichRightsAreEnough(t *testing.T) {
	needRoot(t)
	if held, err := rights.Held(); err != nil || held.Lacks(rights.Kernel|rights.OtherUsers|rights.SysAdmin) != 0 {
		t.Skipf("root has only some of its capabilities here (%v, %v)", held, err)
	}
	path := copySelf(t)
	own, others := startPatient(t, path, nobody), startPatient(t, path, 0)
	if verdict, ok := examineAs(t, path, ^rights.Set(0), others); !ok {
		t.Skipf("nothing can be recorded here, even by root: %s", verdict)
	}
	multi := worksHere("uprobe_multi")
	for _, test := range []struct {
		held       rights.Set
		own, other bool // who can be recorded
	}{
		{0, false, false},
		{rights.BPF, false, false},
		{rights.Perfmon, false, false},
		{rights.Kernel, true, false},
		{rights.Kernel | rights.SysPtrace, true, false},
		{rights.Kernel | rights.DACReadSearch, true, false},
		{rights.Kernel | rights.OtherUsers, true, true},
		{rights.SysAdmin, true, false},
		{rights.SysAdmin | rights.OtherUsers, true, true},
	} {
		t.Run(test.held.String(), func(t *testing.T) {
			t.Parallel()
			if !multi && test.own && test.held.Lacks(rights.SysAdmin) != 0 {
				t.Skip("without uprobe_multi it depends on the kernel whether CAP_PERFMON is enough")
			}
			if verdict, ok := examineAs(t, path, test.held, own); ok != test.own {
				t.Errorf("a program of the same user: %s", verdict)
			}
			if verdict, ok := examineAs(t, path, test.held, others); ok != test.other {
				t.Errorf("a program of another user: %s", verdict)
			}
		})
	}
}

// worksHere tells whether a method to see something works for us.
func worksHere(name string) bool {
	for _, requirement := range probes.Survey(new(probes.Features)) {
		for _, method := range requirement.Methods {
			if method.Name == name {
				return method.Err == nil
			}
		}
	}
	return false
}

// copySelf copies this test's executable to where every user can run it.
func copySelf(t *testing.T) string {
	t.Helper()
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "doctor")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "patient")
	if err := os.WriteFile(path, self, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// startPatient starts a program as a user, and returns its PID when it runs.
func startPatient(t *testing.T, path string, uid uint32) int {
	t.Helper()
	cmd := exec.Command(path)
	cmd.Env = []string{roleVar + "=" + rolePatient}
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		cmd.Wait()
	})
	if _, err := io.ReadFull(stdout, make([]byte, len("ready\n"))); err != nil {
		t.Fatal(err)
	}
	return cmd.Process.Pid
}

// examineAs examines a process as nobody with some capabilities, or as root
// where all are asked for, and tells whether it can be recorded in all modes.
func examineAs(t *testing.T, path string, held rights.Set, pid int) (verdict string, ok bool) {
	t.Helper()
	cmd := exec.Command(path, strconv.Itoa(pid))
	cmd.Env = []string{roleVar + "=" + roleDoctor}
	cmd.Dir = "/"
	if held != ^rights.Set(0) {
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Credential:  &syscall.Credential{Uid: nobody, Gid: nobody},
			AmbientCaps: numbers(held),
		}
	}
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("examining with %v: %v", held, err)
	}
	var report Report
	if err := json.Unmarshal(out, &report); err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if err := report.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	return text.String(), len(report.Recordable) == len(modes)
}

// numbers lists the numbers of the capabilities of a set.
func numbers(set rights.Set) []uintptr {
	var list []uintptr
	for n := range unix.CAP_LAST_CAP + 1 {
		if set&(1<<n) != 0 {
			list = append(list, uintptr(n))
		}
	}
	return list
}
