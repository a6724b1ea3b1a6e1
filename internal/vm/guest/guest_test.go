package guest

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/netpolltrace/netpolltrace/internal/testprogram"
	"github.com/netpolltrace/netpolltrace/internal/truth"
	"github.com/netpolltrace/netpolltrace/probes"
	"github.com/netpolltrace/netpolltrace/process"
	"github.com/netpolltrace/netpolltrace/session"
	"github.com/netpolltrace/netpolltrace/wait"
)

var (
	programs = flag.String("programs", "", "`directory` of the programs to record, and of netpolltrace itself")
	release  = flag.String("kernel", "", "the `name` of the kernel in the matrix: 5.10, ...")
)

// needsMachine skips a test outside of the matrix: it says what a certain
// kernel must be able to do, and some tests change the machine.
func needsMachine(t *testing.T) {
	t.Helper()
	if *programs == "" {
		t.Skip("no machine of the kernel matrix here: run make test-kernels")
	}
}

// machine names the kernel and the CPU, as the tables here do.
func machine() string { return *release + " " + runtime.GOARCH }

// known is what has been found out about the machine so far. The tests share
// it: to attach a probe and detach it again takes an emulated machine long.
var known = new(probes.Features)

// launch starts a program that is ended with the test.
func launch(t *testing.T, name string, args ...string) *testprogram.Process {
	t.Helper()
	program, err := testprogram.Start(t.Context(), filepath.Join(*programs, name), args...)
	if err != nil {
		t.Fatal(err)
	}
	return program
}

// recording is what was recorded of a program.
type recording struct {
	truth.Gather
	meta wait.Meta
}

// record attaches to a program, has it obey commands, and detaches. It returns
// the results of the commands.
func record(t *testing.T, program *testprogram.Process, options probes.Options, commands ...[]string) (*recording, []testprogram.Result) {
	t.Helper()
	target, err := process.Open(program.PID())
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	source, err := probes.Open(options)
	if err != nil {
		t.Fatalf("%+v", err) // with the verifier's log
	}
	defer source.Close()
	if _, err := source.Add(target, probes.TargetOptions{}); err != nil {
		t.Fatalf("%+v", err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	r := &recording{meta: *source.Meta()}
	ended := make(chan error, 1)
	go func() { ended <- session.Run(ctx, source, &r.Gather, session.Config{}) }()
	var results []testprogram.Result
	for _, command := range commands {
		result, err := program.Do(command...)
		if err != nil {
			t.Error(err)
		}
		results = append(results, result)
	}
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	checkComplete(t, r)
	return r, results
}

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(m.Run())
}
