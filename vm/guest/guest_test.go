package guest

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/netpolltrace/netpolltrace/probes"
	"github.com/netpolltrace/netpolltrace/process"
	"github.com/netpolltrace/netpolltrace/session"
	"github.com/netpolltrace/netpolltrace/testprogram"
	"github.com/netpolltrace/netpolltrace/truth"
	"github.com/netpolltrace/netpolltrace/wait"
)

// programs is where the programs to record are, and netpolltrace itself.
var programs = flag.String("programs", "", "`directory` of the programs to record")

// needsMachine skips a test outside of the matrix: it says what a certain
// kernel must be able to do, and some tests change the machine.
func needsMachine(t *testing.T) {
	t.Helper()
	if *programs == "" {
		t.Skip("no machine of the kernel matrix: run make test-kernels")
	}
}

// kernel is the running kernel as the matrix calls it: 5.10 amd64.
func kernel(t *testing.T) string {
	t.Helper()
	var uname unix.Utsname
	if err := unix.Uname(&uname); err != nil {
		t.Fatal(err)
	}
	parts := strings.SplitN(unix.ByteSliceToString(uname.Release[:]), ".", 3)
	return strings.Join(parts[:2], ".") + " " + runtime.GOARCH
}

// launch starts a program that is ended with the test.
func launch(t *testing.T, name string, args ...string) *testprogram.Process {
	t.Helper()
	program, err := testprogram.Start(t.Context(), filepath.Join(*programs, name), args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := program.Close(); err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
	})
	return program
}

// recording is what a session saw of a program.
type recording struct {
	truth.Gather
	meta wait.Meta
}

// record attaches to a program, has it obey commands, and detaches. It returns
// the result of the last command.
func record(t *testing.T, program *testprogram.Process, config session.Config, commands ...[]string) (*recording, testprogram.Result) {
	t.Helper()
	target, err := process.Open(program.PID())
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	config.Limits = probes.DefaultOptions()
	s, err := session.Open(target, config)
	if err != nil {
		t.Fatalf("%+v", err)
	}
	defer s.Close()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	r := &recording{meta: *s.Meta()}
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, &r.Gather) }()
	var result testprogram.Result
	for _, command := range commands {
		if result, err = program.Do(command...); err != nil {
			t.Error(err)
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	for _, e := range r.Events {
		if e.Kind == wait.EventLost {
			t.Errorf("lost %d: %s", e.Count, e.Note)
		}
	}
	return r, result
}

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(m.Run())
}
