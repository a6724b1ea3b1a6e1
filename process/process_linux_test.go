package process

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// selfVar makes this test's executable do something else than test: it is the
// program that tests look at when any program will do.
const selfVar = "NETPOLLTRACE_PROCESS_TEST"

func TestMain(m *testing.M) {
	switch os.Getenv(selfVar) {
	case "":
		os.Exit(m.Run())
	case "wait": // for the end of the input
		fmt.Println("ready")
		io.Copy(io.Discard, os.Stdin)
	case "spin":
		fmt.Println("ready")
		//lint:ignore SA5002 it is to use a CPU
		for {
		}
	case "exec":
		fmt.Println("ready")
		os.Stdin.Read(make([]byte, 1))
		syscall.Exec("/bin/sleep", []string{"sleep", "1000"}, nil)
	case "whoami":
		groups, _ := os.Getgroups()
		slices.Sort(groups)
		fmt.Println(os.Getuid(), os.Getgid(), groups, os.Getenv("HOME"), os.Getenv("USER"), os.Getenv("LOGNAME"))
	case "open":
		pid, _ := strconv.Atoi(os.Args[1])
		_, err := Open(pid)
		fmt.Println(err)
	}
}

// other is another process that runs until the test is over.
type other struct {
	*exec.Cmd
	stdin io.WriteCloser
}

// startOther runs this test's executable, or a copy of it, as something else,
// and returns once it has said the first line.
func startOther(t *testing.T, path, what string, args ...string) *other {
	t.Helper()
	cmd := exec.Command(path, args...)
	cmd.Env = append(os.Environ(), selfVar+"="+what)
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
		cmd.Process.Kill()
		cmd.Wait()
	})
	if _, err := stdout.Read(make([]byte, 1)); err != nil {
		t.Fatalf("waiting for the other process: %v", err)
	}
	return &other{Cmd: cmd, stdin: stdin}
}

func self(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func openProcess(t *testing.T, pid int) *Process {
	t.Helper()
	p, err := Open(pid)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// copySelf copies this test's executable.
func copySelf(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(self(t))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, text, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOpenRefusesWhatIsNoProgramAndSaysWhatToDo(t *testing.T) {
	zombie := exec.Command("true")
	if err := zombie.Start(); err != nil {
		t.Fatal(err)
	}
	defer zombie.Wait()
	var info unix.Siginfo
	if err := unix.Waitid(unix.P_PID, zombie.Process.Pid, &info, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
		t.Fatal(err)
	}
	threads, err := numberedEntries("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	thread := threads[slices.IndexFunc(threads, func(tid int) bool { return tid != os.Getpid() })]
	for _, c := range []struct {
		what string
		pid  int
		says []string
	}{
		{"a number that is not a PID", -3, []string{"not a PID", "pgrep"}},
		{"nobody's PID", 1 << 30, []string{"no process with PID", "pgrep"}},
		{"a zombie", zombie.Process.Pid, []string{"zombie", "give the PID of a running process"}},
		{"a thread", thread, []string{fmt.Sprintf("use -p %d", os.Getpid())}},
	} {
		_, err := Open(c.pid)
		wantWords(t, c.what, err, c.says...)
	}
}

func wantWords(t *testing.T, what string, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("%s: no error", what)
		return
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%s: %q does not say %q", what, err, word)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("%s: more than one line: %q", what, err)
	}
}

func TestOpenRefusesAThreadOfTheKernel(t *testing.T) {
	st, err := readStat(2)
	if err != nil || st.Flags&flagKernelThread == 0 {
		t.Skip("PID 2 is no thread of the kernel in this PID namespace")
	}
	_, err = Open(2)
	wantWords(t, "kthreadd", err, "thread of the kernel", "give the PID")
}

func TestOpenWithoutRightsNamesThem(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("becoming another user takes root")
	}
	path := copySelf(t, "opener")
	if err := os.Chmod(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	makeSearchable(t, filepath.Dir(path))
	cmd := exec.Command(path, strconv.Itoa(os.Getpid()))
	cmd.Env = []string{selfVar + "=open"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	wantWords(t, "another user's process", errors.New(strings.TrimSpace(string(out))),
		"no right", "sudo", "CAP_DAC_READ_SEARCH and CAP_SYS_PTRACE", "user 0")
}

// makeSearchable lets all users reach a directory below the system's temporary one.
func makeSearchable(t *testing.T, dir string) {
	t.Helper()
	for ; len(dir) > len(os.TempDir()); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAProcessWhoseExecutableWasDeletedOrReplaced(t *testing.T) {
	path := copySelf(t, "server")
	running := startOther(t, path, "wait")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("a new release"), 0o755); err != nil {
		t.Fatal(err)
	}
	p := openProcess(t, running.Process.Pid)
	if p.Exe != path || !p.Deleted || p.Name != "server" {
		t.Errorf("Exe %q, Deleted %t, Name %q; want %q, true, server", p.Exe, p.Deleted, p.Name, path)
	}
	got, err := os.ReadFile(p.ExePath())
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(self(t))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, want) {
		t.Error("ExePath is not the file that the process was started from")
	}
}

func TestFindingByName(t *testing.T) {
	path := copySelf(t, "npt-by-name-test")
	first := startOther(t, path, "wait")
	p, err := OpenName("npt-by-name-test")
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if p.PID != first.Process.Pid {
		t.Errorf("PID %d, want %d", p.PID, first.Process.Pid)
	}
	second := startOther(t, path, "wait")
	pids, err := ByName("npt-by-name-test")
	want := []int{first.Process.Pid, second.Process.Pid}
	slices.Sort(want)
	if err != nil || !slices.Equal(pids, want) {
		t.Errorf("ByName = %v, %v; want %v", pids, err, want)
	}
	_, err = OpenName("npt-by-name-test")
	wantWords(t, "two of a name", err, "-p PID", strconv.Itoa(want[0]), strconv.Itoa(want[1]))
	_, err = OpenName("npt-nobody-is-called-so")
	wantWords(t, "none of a name", err, "give its PID")
}

func TestExitIsSeen(t *testing.T) {
	running := startOther(t, self(t), "wait")
	p := openProcess(t, running.Process.Pid)
	if err := p.Running(); err != nil {
		t.Fatalf("Running = %v before the end", err)
	}
	select {
	case <-p.Exited():
		t.Fatal("Exited before the end")
	default:
	}
	running.stdin.Close()
	<-p.Exited()
	if err := p.Running(); !errors.Is(err, ErrExited) {
		t.Errorf("Running = %v, want ErrExited", err)
	}
	if _, err := p.Threads(); err != nil && !errors.Is(err, ErrExited) {
		t.Errorf("Threads: %v, want ErrExited", err)
	}
}

// What is read of a program while it ends can be wrong: its end is the error then.
func TestErrorOfReadingOneThatEnds(t *testing.T) {
	wrong := errors.New("the layout is not known")
	running := startOther(t, self(t), "wait")
	p := openProcess(t, running.Process.Pid)
	if err := p.unlessEnded(wrong); err != wrong {
		t.Errorf("while it runs: %v, want %v", err, wrong)
	}
	running.stdin.Close()
	<-p.Exited()
	if err := p.unlessEnded(wrong); !errors.Is(err, ErrExited) {
		t.Errorf("after its end: %v, want ErrExited", err)
	}
}

func TestExecIsSeen(t *testing.T) {
	running := startOther(t, self(t), "exec")
	p := openProcess(t, running.Process.Pid)
	if _, err := running.stdin.Write([]byte{'\n'}); err != nil {
		t.Fatal(err)
	}
	for { // until the other one got so far
		err := p.Running()
		if errors.Is(err, ErrExec) {
			break
		}
		if err != nil {
			t.Fatalf("Running = %v, want ErrExec", err)
		}
	}
}

func TestMemoryIsReadInBothWays(t *testing.T) {
	p := openProcess(t, os.Getpid())
	const size = 3000
	truth := make([][]byte, maxPieces+10)
	for i := range truth {
		truth[i] = make([]byte, size)
		for j := range truth[i] {
			truth[i][j] = byte(i + j)
		}
	}
	for _, denied := range []bool{false, true} {
		p.pidReadv.denied.Store(denied)
		pieces := make([]piece, len(truth))
		for i := range pieces {
			pieces[i] = piece{addr: addressOf(truth[i]), buf: make([]byte, size)}
		}
		// Pieces that cannot be read do not spoil their neighbours.
		for _, bad := range []int{0, 17, 18, maxPieces - 1, maxPieces, len(pieces) - 1} {
			pieces[bad].addr = 8
		}
		if err := p.readPieces(pieces); err != nil {
			t.Fatal(err)
		}
		for i := range pieces {
			want := pieces[i].addr != 8
			if pieces[i].ok != want || want && !slices.Equal(pieces[i].buf, truth[i]) {
				t.Fatalf("denied %t: piece %d: ok = %t, want %t, with the right bytes", denied, i, pieces[i].ok, want)
			}
		}
	}
}

func TestReadingWhereThereIsNothing(t *testing.T) {
	p := openProcess(t, os.Getpid())
	if _, err := p.ReadAt(make([]byte, 8), 8); !errors.Is(err, unix.EFAULT) {
		t.Errorf("ReadAt = %v, want EFAULT", err)
	}
}

func TestOwnPIDsAndCPUs(t *testing.T) {
	p := openProcess(t, os.Getpid())
	pids, err := p.NSPIDs()
	if err != nil || !slices.Equal(pids, []int{os.Getpid()}) {
		t.Errorf("NSPIDs = %v, %v; want our PID alone", pids, err)
	}
	before, err := p.CPUTime()
	if err != nil || before <= 0 {
		t.Errorf("CPUTime = %v, %v; want more than 0", before, err)
	}
	if cpus, err := p.CPUs(); err != nil || cpus < 1 {
		t.Errorf("CPUs = %d, %v; want at least 1", cpus, err)
	}
}

func TestAProcessInAnotherPIDNamespace(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("making a PID namespace takes root")
	}
	cmd := exec.Command(self(t))
	cmd.Env = append(os.Environ(), selfVar+"=wait")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer stdin.Close()
	p := openProcess(t, cmd.Process.Pid)
	if pids, err := p.NSPIDs(); err != nil || !slices.Equal(pids, []int{cmd.Process.Pid, 1}) {
		t.Errorf("NSPIDs = %v, %v; want %d and 1", pids, err, cmd.Process.Pid)
	}
}

func TestAStartedProgramStandsStillUntilItIsResumed(t *testing.T) {
	cmd := exec.Command(self(t))
	cmd.Env = append(os.Environ(), selfVar+"=wait")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	cmd.Stdout = &out
	child, err := Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	if st, err := readStat(child.PID()); err != nil || st.State != 't' {
		t.Errorf("state %q, %v; want 't', traced and stopped", st.State, err)
	}
	p := openProcess(t, child.PID())
	if p.Exe != self(t) {
		t.Errorf("Exe = %q, want %q", p.Exe, self(t))
	}
	if err := child.Resume(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(stdin, "go on"); err != nil {
		t.Fatal(err)
	}
	stdin.Close()
	status, err := child.Wait()
	if status != 0 || err != nil || out.String() != "ready\n" {
		t.Errorf("status %d, %v, output %q; want 0 and ready", status, err, out.String())
	}
}

func TestExitStatuses(t *testing.T) {
	notExecutable := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(notExecutable, []byte("words"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		want int
	}{
		{[]string{"true"}, 0},
		{[]string{"sh", "-c", "exit 7"}, 7},
		{[]string{"sh", "-c", "kill -TERM $$"}, 128 + 15},
		{[]string{"npt-no-such-program"}, StatusNotFound},
		{[]string{"/npt/no/such/program"}, StatusNotFound},
		{[]string{t.TempDir()}, StatusCannotRun},
		{[]string{notExecutable}, StatusCannotRun},
	} {
		child, err := Start(exec.Command(c.args[0], c.args[1:]...))
		var failed *StartError
		switch {
		case errors.As(err, &failed):
			if failed.Status != c.want {
				t.Errorf("%q: status %d (%v), want %d", c.args, failed.Status, err, c.want)
			}
			continue
		case err != nil:
			t.Errorf("%q: %v, want a StartError or none", c.args, err)
			continue
		}
		if err := child.Resume(); err != nil {
			t.Errorf("%q: %v", c.args, err)
		}
		if got, err := child.Wait(); got != c.want || err != nil {
			t.Errorf("%q: status %d, %v; want %d", c.args, got, err, c.want)
		}
	}
}

func TestAStartedProgramCanBeKilledBeforeItRan(t *testing.T) {
	child, err := Start(exec.Command("true"))
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Signal(os.Kill); err != nil {
		t.Fatal(err)
	}
	if status, err := child.Wait(); status != 128+9 || err != nil {
		t.Errorf("status %d, %v; want 137", status, err)
	}
}

func TestUnderSudoTheProgramIsTheCallers(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("becoming another user takes root")
	}
	nobody, err := user.LookupId("65534")
	if err != nil {
		t.Skip("no user 65534 here")
	}
	path := copySelf(t, "whoami")
	makeSearchable(t, filepath.Dir(path))
	t.Setenv("SUDO_UID", nobody.Uid)
	t.Setenv("SUDO_GID", nobody.Gid)
	cmd := exec.Command(path)
	cmd.Env = append(os.Environ(), selfVar+"=whoami", "HOME=/root")
	var out strings.Builder
	cmd.Stdout = &out
	child, err := Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Resume(); err != nil {
		t.Fatal(err)
	}
	if status, err := child.Wait(); status != 0 || err != nil {
		t.Fatalf("status %d, %v", status, err)
	}
	groups := groupsOf(nobody)
	slices.Sort(groups)
	want := fmt.Sprintln(nobody.Uid, nobody.Gid, groups, nobody.HomeDir, nobody.Username, nobody.Username)
	if out.String() != want {
		t.Errorf("the program is %q, want %q", out.String(), want)
	}
}

func TestASudoThatMakesNoSenseIsAnError(t *testing.T) {
	for _, env := range []map[string]string{
		{"SUDO_UID": "root", "SUDO_GID": "0"},
		{"SUDO_UID": "1000"},
		{"SUDO_UID": "99999999999", "SUDO_GID": "0"},
	} {
		lookup := func(name string) (string, bool) { v, ok := env[name]; return v, ok }
		wantWords(t, fmt.Sprint(env), asSudoUser(exec.Command("true"), lookup), "SUDO_", "sudo")
	}
}

func addressOf(b []byte) uint64 { return uint64(uintptr(unsafe.Pointer(&b[0]))) }
