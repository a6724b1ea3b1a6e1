package realworld

import (
	"bytes"
	"debug/buildinfo"
	"fmt"
	"go/version"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netpolltrace/netpolltrace/wait"
)

// programsVar is how long to record each of Debian's servers.
const programsVar = "NETPOLLTRACE_REAL"

// enoughVersions is of how many Go versions they must be, or Debian has moved
// on and the list of servers must follow.
const enoughVersions = 4

func TestServersOfDebian(t *testing.T) {
	length := asked(t, programsVar, "test-real")
	needRoot(t)
	d := newDebian(t)
	n := buildTool(t)
	var packages []debianPackage
	for _, s := range servers {
		packages = append(packages, s.debianPackage)
	}
	d.fetch(t, packages)
	versions := make(map[string]bool)
	for _, s := range servers {
		exe := filepath.Join(d.root(s.debianPackage), s.exe)
		info, err := buildinfo.ReadFile(exe)
		if err != nil {
			t.Fatal(err)
		}
		versions[version.Lang(info.GoVersion)] = true
		t.Run(s.name, func(t *testing.T) {
			t.Logf("%s of %s, %s", s.name, s.suite, info.GoVersion)
			perform(t, n, s, exe, length)
		})
	}
	if len(versions) < enoughVersions {
		t.Errorf("the servers are of the Go versions %v, want %d different ones", versions, enoughVersions)
	}
}

// perform records a server while it is asked.
func perform(t *testing.T, n tool, s server, exe string, length time.Duration) {
	stage := &scene{dir: t.TempDir(), address: freeAddress(t)}
	act := s.set(t, stage)
	running := startServer(t, stage, exe, act)
	before := newImage(t, running.Process.Pid)
	asking := startLoad(t, act.newClient)
	asking.more(t, 100)
	objects := newKernelObjects()
	lines := newLineTable(t, exe)
	for _, recording := range []struct {
		mode   string
		length time.Duration
	}{{"io", length}, {"all", length / 4}} {
		mode := recording.mode
		file := filepath.Join(t.ArtifactDir(), s.name+"-"+mode+".netpolltrace.arrows")
		from := asking.answered.Load()
		r := n.record(t, running.Process.Pid, mode, file, "-d", recording.length.String())
		if objects.add(t, r.cmd.Process.Pid) == 0 {
			t.Error("the recording holds no BPF program: what it leaves behind cannot be checked")
		}
		seen := r.wait(t)
		t.Logf("mode %s: %d answers, %d waits", mode, asking.answered.Load()-from, len(seen.Waits))
		seen.nothingLost(t)
		lines.agree(t, seen.Waits)
		for _, c := range act.shows {
			if c.mode == mode {
				c.check(t, seen.Waits)
			}
		}
		t.Logf("\n%s", n.report(t, file))
	}
	asking.more(t, 100)
	if err := asking.stop(); err != nil {
		t.Error(err)
	}
	objects.gone(t)
	noTraceEvents(t, exe)
	before.unharmed(t)
}

// startServer starts a server and waits until it answers. It is ended with
// the test, and must not have ended before.
func startServer(t *testing.T, s *scene, exe string, p *play) *exec.Cmd {
	t.Helper()
	c := exec.Command(exe, p.args...)
	c.Dir = s.dir
	c.Env = append(os.Environ(), "HOME="+s.dir, "XDG_DATA_HOME="+s.dir, "XDG_CONFIG_HOME="+s.dir)
	var output bytes.Buffer
	c.Stdout, c.Stderr = &output, &output
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if ended(c.Process.Pid) {
			t.Errorf("%s ended by itself", exe)
		}
		_ = c.Process.Kill()
		_ = c.Wait()
		if t.Failed() {
			t.Logf("the end of what %s printed: %s", exe, output.Bytes()[max(0, output.Len()-2000):])
		}
	})
	serves := func() bool { return answers(p.newClient) && (p.working == nil || p.working()) }
	if !eventually(time.Minute, func() bool { return ended(c.Process.Pid) || serves() }) || ended(c.Process.Pid) {
		t.Fatalf("%s does not serve", exe)
	}
	return c
}

// check holds a claim against the waits of a recording.
func (c claim) check(t *testing.T, waits []wait.Wait) {
	t.Helper()
	var awaited []time.Duration
	for i := range waits {
		if c.matches(&waits[i]) {
			awaited = append(awaited, waits[i].Awaited())
		}
	}
	if len(awaited) < c.waits {
		t.Errorf("%d waits as %v, want %d", len(awaited), c, c.waits)
		return
	}
	slices.Sort(awaited)
	if median := awaited[len(awaited)/2]; median < c.median {
		t.Errorf("median %v of waits as %v", median, c)
	}
}

func (c claim) matches(w *wait.Wait) bool {
	return w.Kind == wait.KindWait && w.Stack != nil &&
		slices.Contains(strings.Split(w.Stack.Funcs, ";"), c.in) &&
		(c.reason == "" || w.Reason == c.reason) && (c.op == "" || w.Op == c.op) &&
		(c.role == "" || w.Role == c.role) && (c.peer == "" || w.Peer == c.peer) &&
		(c.local == "" || w.Local == c.local)
}

func (c claim) String() string {
	return fmt.Sprintf("%s in %s: %s%s %s peer=%s local=%s", c.mode, c.in, c.reason, c.op, c.role, c.peer, c.local)
}
