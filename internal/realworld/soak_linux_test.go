package realworld

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/netpolltrace/netpolltrace/internal/testprogram"
	"github.com/netpolltrace/netpolltrace/internal/truth"
	"github.com/netpolltrace/netpolltrace/wait"
)

// soakVar is how long to soak. What is below is for the full length; a shorter
// one does its share.
const soakVar = "NETPOLLTRACE_SOAK"

const (
	soakLength   = 10 * time.Minute
	soakAttaches = 200
	soakWaits    = 1_000_000 // of reused goroutines and descriptors
)

// share is that of an amount which a soak of a length does.
func share(amount int, length time.Duration) int {
	return max(1, int(float64(amount)*float64(length)/float64(soakLength)))
}

// An attempt is one way in which a recording comes to its end.
type attempt struct {
	name string
	// weight is how often it is made, in relation to the others.
	weight int
	make   func(s *soak, mode string)
}

// attempts are made in random order.
var attempts = []attempt{
	{"interrupted", 6, (*soak).interrupted},
	{"killed", 6, (*soak).killed},
	{"killed while it attaches", 3, (*soak).killedEarly},
	{"target stopped", 3, (*soak).targetStopped},
	{"target runs another program", 2, (*soak).targetExecs},
}

// soak is a program under stress and those who trace it.
type soak struct {
	t       *testing.T
	tool    tool
	exe     string
	target  *testprogram.Process
	random  *rand.Rand
	dir     string
	files   int
	objects *kernelObjects
	waits   int
}

func TestSoak(t *testing.T) {
	length := asked(t, soakVar, "soak")
	needRoot(t)
	n := buildTool(t)
	t.Run("stress", func(t *testing.T) { soakStress(t, n, length) })
	t.Run("reuse", func(t *testing.T) { soakReuse(t, n, share(soakWaits, length)) })
}

// soakStress attaches to the stress program and detaches from it again and
// again, as well as badly. The program checks itself after each time.
func soakStress(t *testing.T, n tool, length time.Duration) {
	t.Setenv("GOGC", "1")
	exe, err := testprogram.Build{Flags: []string{"-race"}}.Program(t.Context(), "stress", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("random seed %d", seed)
	s := &soak{t: t, tool: n, exe: exe, random: rand.New(rand.NewPCG(seed, 0)), dir: t.TempDir(), objects: newKernelObjects()}
	if s.target, err = testprogram.Start(t.Context(), exe); err != nil {
		t.Fatal(err)
	}
	made := make(map[string]int)
	rounds := share(soakAttaches, length)
	pace := time.NewTicker(length / time.Duration(rounds))
	defer pace.Stop()
	for i := range rounds {
		a := s.choose()
		mode := []string{"io", "all", "auto"}[s.random.IntN(3)]
		a.make(s, mode)
		made[a.name+", "+mode]++
		s.unharmed()
		if t.Failed() {
			t.Fatalf("in round %d: %s, mode %s", i, a.name, mode)
		}
		<-pace.C
	}
	noTraceEvents(t, exe)
	said, err := s.target.Do("check")
	t.Logf("%d rounds %v, %d waits recorded; the program since its last exec: %v", rounds, made, s.waits, said)
	if err := errors.Join(err, s.target.Close()); err != nil {
		t.Error(err)
	}
}

func (s *soak) choose() attempt {
	all := 0
	for _, a := range attempts {
		all += a.weight
	}
	left := s.random.IntN(all)
	for _, a := range attempts {
		if left -= a.weight; left < 0 {
			return a
		}
	}
	return attempts[0]
}

// unharmed lets the program check itself and compares its code with its file.
func (s *soak) unharmed() {
	s.t.Helper()
	if _, err := s.target.Do("check"); err != nil {
		s.t.Errorf("the program found that something is wrong: %v", err)
		return
	}
	s.objects.gone(s.t)
	newImage(s.t, s.target.PID()).unharmed(s.t)
}

// record starts a recording of the target.
func (s *soak) record(mode string) *recorder {
	s.files++
	r := s.tool.record(s.t, s.target.PID(), mode, filepath.Join(s.dir, fmt.Sprintf("%d.netpolltrace.arrows", s.files)), "-d", "0")
	s.objects.add(s.t, r.cmd.Process.Pid)
	return r
}

// pause is for how long what was begun is left to itself: random, since it
// is to be disturbed at any point.
func (s *soak) pause(most time.Duration) {
	time.Sleep(time.Duration(s.random.Int64N(int64(most))))
}

// read reads a recording that came to a good end.
func (s *soak) read(r *recorder) {
	s.t.Helper()
	got := r.wait(s.t)
	got.nothingLost(s.t)
	s.waits += len(got.Waits)
	if err := os.Remove(r.file); err != nil {
		s.t.Error(err)
	}
}

func (s *soak) interrupted(mode string) {
	r := s.record(mode)
	s.pause(time.Second)
	s.signal(r.cmd.Process, os.Interrupt)
	s.read(r)
}

func (s *soak) killed(mode string) {
	r := s.record(mode)
	s.pause(500 * time.Millisecond)
	s.kill(r)
}

// killedEarly kills the tracer while it attaches.
func (s *soak) killedEarly(mode string) {
	s.files++
	r := &recorder{file: filepath.Join(s.dir, fmt.Sprintf("%d.netpolltrace.arrows", s.files))}
	r.cmd = s.tool.command(s.t.Context(), "record", "-p", strconv.Itoa(s.target.PID()), "--mode", mode, "-o", r.file)
	if err := r.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.pause(400 * time.Millisecond)
	s.objects.add(s.t, r.cmd.Process.Pid)
	s.kill(r)
}

func (s *soak) kill(r *recorder) {
	s.signal(r.cmd.Process, os.Kill)
	var exit *exec.ExitError
	if err := r.cmd.Wait(); !errors.As(err, &exit) {
		s.t.Errorf("the tracer was killed, and ended with %v", err)
	}
	if err := os.Remove(r.file); err != nil && !errors.Is(err, os.ErrNotExist) {
		s.t.Error(err)
	}
}

// targetStopped stops the target while it is recorded, or before.
func (s *soak) targetStopped(mode string) {
	target, err := os.FindProcess(s.target.PID())
	if err != nil {
		s.t.Fatal(err)
	}
	var r *recorder
	if before := s.random.IntN(2) == 0; before {
		s.signal(target, syscall.SIGSTOP)
		r = s.record(mode)
	} else {
		r = s.record(mode)
		s.signal(target, syscall.SIGSTOP)
	}
	s.pause(300 * time.Millisecond)
	s.signal(target, syscall.SIGCONT)
	s.pause(300 * time.Millisecond)
	s.signal(r.cmd.Process, os.Interrupt)
	s.read(r)
}

// targetExecs lets the target replace itself, which ends the recording.
func (s *soak) targetExecs(mode string) {
	r := s.record(mode)
	s.pause(300 * time.Millisecond)
	err := s.target.Send("exec")
	if err == nil {
		_, err = s.target.Expect("ready")
	}
	if err != nil {
		s.t.Error(err)
	}
	s.read(r)
}

func (s *soak) signal(p *os.Process, signal os.Signal) {
	s.t.Helper()
	if err := p.Signal(signal); err != nil {
		s.t.Error(err)
	}
}

// soakReuse counts mistaken waits until enough have been judged.
func soakReuse(t *testing.T, n tool, enough int) {
	exe, err := testprogram.Build{}.Program(t.Context(), "churn", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	judged := 0
	for judged < enough {
		waits, ends := recordChurn(t, n, exe)
		some, err := ends.Check(waits)
		judged += some
		if err != nil || some == 0 || t.Failed() {
			t.Fatalf("of %d waits: %v", some, err)
		}
	}
	t.Logf("%d waits judged, none mistaken", judged)
}

// recordChurn records connections that come and go, and reads what they were.
func recordChurn(t *testing.T, n tool, exe string) ([]wait.Wait, truth.Ends) {
	const conns = "20000"
	target, err := testprogram.Start(t.Context(), exe)
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	dir := t.TempDir()
	r := n.record(t, target.PID(), "io", filepath.Join(dir, "churn.netpolltrace.arrows"), "-d", "0")
	list := filepath.Join(dir, "ends")
	if _, err := target.Do("run", conns, list); err != nil {
		t.Error(err)
	}
	if err := r.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Error(err)
	}
	got := r.wait(t)
	got.nothingLost(t)
	file, err := os.Open(list)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	ends, err := truth.ReadEnds(file)
	if err != nil {
		t.Fatal(err)
	}
	return got.Waits, ends
}
