package session_test

import (
	"bufio"
	"context"
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

	"github.com/cilium/ebpf/link"
	"go.uber.org/goleak"

	"github.com/netpolltrace/netpolltrace/internal/truth"
	"github.com/netpolltrace/netpolltrace/process"
	"github.com/netpolltrace/netpolltrace/session"
	"github.com/netpolltrace/netpolltrace/wait"
)

// tracedVar makes this test's executable record the process that it names, in
// mode all, until it is killed.
const tracedVar = "NETPOLLTRACE_SESSION_TEST"

func TestMain(m *testing.M) {
	pid, err := strconv.Atoi(os.Getenv(tracedVar))
	if err != nil {
		os.Exit(runTests(m))
	}
	if err := recordForEver(pid); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func runTests(m *testing.M) int {
	var err error
	if programs, err = os.MkdirTemp("", "netpolltrace-session"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(programs)
	if status := m.Run(); status != 0 {
		return status
	}
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, "left behind:", err)
		return 1
	}
	return 0
}

func recordForEver(pid int) error {
	target, err := process.Open(pid)
	if err != nil {
		return err
	}
	source, err := openSource(settings{mode: wait.ModeAll}, target)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	return session.Run(context.Background(), source, new(truth.Gather), session.Config{})
}

func TestTheEndOfTheTargetEndsTheRecordingInGoodOrder(t *testing.T) {
	for name, c := range map[string]struct {
		command []string
		says    string
	}{
		"exit":  {[]string{"exit", "7"}, "exited"},
		"panic": {[]string{"panic"}, "exited"},
		"kill":  {[]string{"kill"}, "exited"},
		"exec":  {[]string{"exec"}, "another program"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			program := launch(t, "lifecycle")
			r := attach(t, program.PID(), settings{mode: wait.ModeIO})
			// A fork, so that there were waits when it comes back.
			do(t, program, "fork")
			if err := program.Send(c.command...); err != nil {
				t.Fatal(err)
			}
			r.wait(t)
			r.complete(t)
			if len(r.Waits) == 0 {
				t.Error("no wait was delivered")
			}
			if last := r.Events[len(r.Events)-1]; last.Kind != wait.EventEnd {
				t.Errorf("the last event is %+v, want the recording's end", last)
			}
			ends := slices.DeleteFunc(slices.Clone(r.Events), func(e wait.Event) bool {
				return e.Kind != wait.EventTarget || e.Detail == nil // those without are about its child
			})
			if len(ends) != 1 || !strings.Contains(ends[0].Note, c.says) {
				t.Errorf("of the target's end is said %+v, want %q once", ends, c.says)
			}
			if name != "exec" {
				program.Close()
				return
			}
			ready, err := program.Expect("ready")
			if err != nil || ready["generation"] != "1" {
				t.Fatalf("after the exec: %v, %v", ready, err)
			}
			do(t, program, "fork")
			closes(t, program)
		})
	}
}

func threads(t *testing.T, pid int) map[int32]bool {
	t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		t.Fatal(err)
	}
	tids := make(map[int32]bool)
	for _, e := range entries {
		tid, err := strconv.Atoi(e.Name())
		if err != nil {
			t.Fatal(err)
		}
		tids[int32(tid)] = true
	}
	return tids
}

// onlyOf checks that all that was recorded is the process's own.
func (r *recording) onlyOf(t *testing.T, pid int) {
	t.Helper()
	own := threads(t, pid)
	for i := range r.Waits {
		w := &r.Waits[i]
		if int(w.Process.PID) != pid {
			t.Fatalf("a wait of process %d, want %d", w.Process.PID, pid)
		}
		if w.Kind == wait.KindWait && !own[w.TID] {
			t.Fatalf("a wait ended on thread %d, the process has %v", w.TID, own)
		}
	}
}

func TestAChildOfTheTargetIsLeftAlone(t *testing.T) {
	program := launch(t, "lifecycle")
	r := attach(t, program.PID(), settings{mode: wait.ModeAll})
	child, err := strconv.Atoi(do(t, program, "fork")["pid"])
	if err != nil {
		t.Fatal(err)
	}
	do(t, program, "fork")
	r.end(t)
	r.complete(t)
	r.onlyOf(t, program.PID())
	if err := syscall.Kill(child, 0); err != nil {
		t.Errorf("the child: %v", err)
	}
	closes(t, program)
}

func TestAStoppedTargetIsRecordedWhenItGoesOn(t *testing.T) {
	hasAll(t, func() ([]*recording, []known) {
		program := launch(t, "endings")
		stop := func(signal syscall.Signal) {
			t.Helper()
			if err := syscall.Kill(program.PID(), signal); err != nil {
				t.Fatal(err)
			}
		}
		stop(syscall.SIGSTOP)
		r := attach(t, program.PID(), settings{mode: wait.ModeIO})
		stop(syscall.SIGCONT)
		stop(syscall.SIGSTOP)
		stop(syscall.SIGCONT)
		log := scratch(t, "log")
		do(t, program, "run", log)
		r.end(t)
		closes(t, program)
		r.complete(t)
		return []*recording{r}, readKnown(t, log)
	})
}

// links are the numbers of the BPF links that a process holds.
func heldLinks(t *testing.T, pid int) []link.ID {
	t.Helper()
	infos, err := filepath.Glob(fmt.Sprintf("/proc/%d/fdinfo/*", pid))
	if err != nil {
		t.Fatal(err)
	}
	var ids []link.ID
	for _, info := range infos {
		text, err := os.ReadFile(info)
		if err != nil {
			continue // closed meanwhile
		}
		for line := range strings.Lines(string(text)) {
			if number, ok := strings.CutPrefix(line, "link_id:"); ok {
				id, err := strconv.Atoi(strings.TrimSpace(number))
				if err != nil {
					t.Fatal(err)
				}
				ids = append(ids, link.ID(id))
			}
		}
	}
	return ids
}

// gone waits until links are no more: the kernel takes them down a little after
// they were closed.
func gone(t *testing.T, links []link.ID) {
	t.Helper()
	for _, id := range links {
		for {
			left, err := link.NewFromID(id)
			if errors.Is(err, os.ErrNotExist) {
				break
			}
			if err != nil {
				t.Fatalf("link %d: %v", id, err)
			}
			left.Close()
		}
	}
}

func TestAKilledTracerLeavesNothingBehind(t *testing.T) {
	program := launch(t, "lifecycle")
	tracer := exec.Command("/proc/self/exe")
	tracer.Env = append(os.Environ(), tracedVar+"="+strconv.Itoa(program.PID()))
	tracer.Stderr = os.Stderr
	out, err := tracer.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := tracer.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, len("ready"))); err != nil {
		t.Fatal(err)
	}
	held := heldLinks(t, tracer.Process.Pid)
	if len(held) < 5 {
		t.Errorf("the tracer holds %d links: %v", len(held), held)
	}
	if err := tracer.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	tracer.Wait()
	gone(t, held)
	do(t, program, "fork")
	closes(t, program)
}

func TestACommandIsRecordedFromItsFirstInstruction(t *testing.T) {
	needsRecording(t)
	command := exec.Command(build(t, "lifecycle"))
	in, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	child, err := process.Start(command)
	if err != nil {
		t.Fatal(err)
	}
	r := attach(t, child.PID(), settings{mode: wait.ModeAll, fresh: true})
	if err := child.Resume(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || !strings.HasPrefix(line, "ready") {
		t.Fatalf("the program said %q, %v", line, err)
	}
	r.end(t)
	r.complete(t)
	fmt.Fprintln(in, "exit 7")
	if status, err := child.Wait(); err != nil || status != 7 {
		t.Errorf("the program ended with status %d, %v; want 7", status, err)
	}
	first := &r.Waits[0]
	for i := range r.Waits {
		if w := &r.Waits[i]; w.Start < first.Start {
			first = w
		}
		if r.Waits[i].StartedBefore {
			t.Errorf("a wait is said to have begun before the program: %+v", r.Waits[i])
		}
	}
	// The first thing that waits in a Go program is a helper of the garbage
	// collector, or main for it.
	if !strings.HasPrefix(first.StartFunc, "runtime.") {
		t.Errorf("the first wait is %+v, want one of the runtime's start", *first)
	}
	if len(r.of(wait.KindWait, "main.startTraffic")) == 0 {
		t.Error("the waits of main.startTraffic, before the program was ready, are not there")
	}
}

func TestTwoRecordersAtOnceSeeTheSame(t *testing.T) {
	hasAll(t, func() ([]*recording, []known) {
		program := launch(t, "endings")
		one := attach(t, program.PID(), settings{mode: wait.ModeIO})
		two := attach(t, program.PID(), settings{mode: wait.ModeAll})
		log := scratch(t, "log")
		do(t, program, "run", log)
		one.end(t)
		two.end(t)
		closes(t, program)
		one.complete(t)
		two.complete(t)
		return []*recording{one, two}, readKnown(t, log)
	})
}

// Connections carry numbers, which both ends check.
func TestAttachingAgainAndAgainDoesNoHarm(t *testing.T) {
	program := launch(t, "churn")
	log := scratch(t, "log")
	for round := range 12 {
		if err := program.Send("run", "500", log); err != nil {
			t.Fatal(err)
		}
		mode := []wait.Mode{wait.ModeIO, wait.ModeAll}[round%2]
		r := attach(t, program.PID(), settings{mode: mode})
		r.end(t)
		r.complete(t)
		result, err := program.Expect("done")
		if err != nil || result["ends"] != "1000" {
			t.Fatalf("round %d in mode %s: %v, %v", round, mode, result, err)
		}
	}
	closes(t, program)
}
