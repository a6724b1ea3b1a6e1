package guest

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/netpolltrace/netpolltrace/probes"
	"github.com/netpolltrace/netpolltrace/wait"
)

// againVar names the test that this test binary was started by.
const againVar = "NETPOLLTRACE_AGAIN"

// inAnotherProcess tells a test that it runs in a process of its own, with
// these attributes. If not, it sees to it that it does, and the caller is done.
func inAnotherProcess(t *testing.T, attributes *syscall.SysProcAttr) bool {
	t.Helper()
	if os.Getenv(againVar) == t.Name() {
		return true
	}
	again := exec.CommandContext(t.Context(), "/proc/self/exe",
		"-test.v", "-test.run=^"+t.Name()+"$", "-programs="+*programs, "-kernel="+*release)
	again.Env = append(os.Environ(), againVar+"="+t.Name())
	again.SysProcAttr = attributes
	out, err := again.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	} else {
		t.Logf("%s", out)
	}
	return false
}

// The tracer in a container: it and its target know the target by a number that
// means something else, or nothing, to the kernel.
func TestInPIDNamespace(t *testing.T) {
	needsMachine(t)
	if !inAnotherProcess(t, &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS}) {
		return
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		t.Fatal(err)
	}
	if os.Getpid() != 1 {
		t.Fatalf("process %d is not the first of its namespace", os.Getpid())
	}
	recordEverywhere(t)
}

// uprobesTakeAdmin are the machines whose uprobes by perf event take
// CAP_SYS_ADMIN, at any perf_event_paranoid, and that have no other uprobes. So
// do newer kernels, which have uprobe_multi; docs/rights.md has the list.
var uprobesTakeAdmin = []string{"6.1 amd64", "6.1 arm64"}

// The rights that a recording takes, without root's others.
func TestWithoutRoot(t *testing.T) {
	needsMachine(t)
	if os.Geteuid() == 0 {
		openToUsers(t)
	}
	const user = 1000
	rights := []uintptr{unix.CAP_BPF, unix.CAP_PERFMON, unix.CAP_SYS_PTRACE}
	if slices.Contains(uprobesTakeAdmin, machine()) {
		rights = append(rights, unix.CAP_SYS_ADMIN)
	}
	if !inAnotherProcess(t, &syscall.SysProcAttr{
		Credential:  &syscall.Credential{Uid: user, Gid: user},
		AmbientCaps: rights,
	}) {
		return
	}
	// What is started from here on has no rights of its own.
	if _, _, errno := syscall.AllThreadsSyscall(unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0); errno != 0 {
		t.Fatal(errno)
	}
	if os.Geteuid() != user {
		t.Fatalf("user %d, want %d", os.Geteuid(), user)
	}
	recordEverywhere(t)
}

// openToUsers lets the user do what a distribution may keep from him.
func openToUsers(t *testing.T) {
	t.Helper()
	// Before Linux 5.11 maps count as locked memory, which only root may raise.
	unlimited := unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}
	if err := unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unlimited); err != nil {
		t.Fatal(err)
	}
	// Debian's kernels have a level 3, the default of old ones, at which only
	// CAP_SYS_ADMIN opens perf events; Linux itself has none above 2.
	if err := os.WriteFile("/proc/sys/kernel/perf_event_paranoid", []byte("2"), 0); err != nil {
		t.Fatal(err)
	}
}

// recordEverywhere records with what the machine offers here.
func recordEverywhere(t *testing.T) {
	options := probes.Options{Mode: wait.ModeIO, Features: known}
	t.Run("waits", func(t *testing.T) {
		program := launch(t, "truthful")
		defer program.Close()
		checkTruthful(t, program, options)
	})
	t.Run("peers", func(t *testing.T) { recordChurn(t, options) })
	t.Run("threads", func(t *testing.T) {
		program := launch(t, "threads", "-threads=8")
		defer program.Close()
		r, _ := record(t, program, options, []string{"run", "5"})
		checkThreads(t, r, 8, 5)
		for _, w := range r.Waits {
			if w.TID < 0 {
				continue // still open
			}
			if _, err := os.Stat(fmt.Sprintf("/proc/%d/task/%s", program.PID(), strconv.Itoa(int(w.TID)))); err != nil {
				t.Errorf("a wait ended on thread %d, which the program does not have", w.TID)
			}
		}
	})
}
