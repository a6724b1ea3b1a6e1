package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/netpolltrace/netpolltrace/internal/testprogram"
	"github.com/netpolltrace/netpolltrace/probes"
	"github.com/netpolltrace/netpolltrace/wait"
)

func TestMain(m *testing.M) {
	netpolltrace := func() { os.Exit(run(os.Args[1:])) }
	testscript.Main(m, map[string]func(){
		"netpolltrace": netpolltrace,
		"exe":          netpolltrace, // as it calls itself, by /proc/self/exe
	})
}

// The scripts of testdata/script run netpolltrace as users do. Besides what
// testscript has they know:
//
//	status N COMMAND [ARG...]  run it; it must exit with status N
//	trouble [ARG...]           run netpolltrace; it must exit with status 2, and
//	                           say why in one line on standard error alone
//	start NAME [AS]            start a program of testdata/programs, under another
//	                           name if one is given, and put its PID into $PID; it
//	                           runs until the script ends
//	tell COMMAND [ARG...]      have the program that was started last do something
//	build NAME                 build it, as $PROGRAMS/NAME
//	await FILE                 wait until a background command made FILE
//	mode FILE PERM             the file's permissions must be these, in octal
//
// and the conditions [live], that recording is possible here, and [root].
// $RECORDINGS is testdata/recordings at the top, $PROGRAMS the built programs.
func TestScripts(t *testing.T) {
	recordings, err := filepath.Abs("../../testdata/recordings")
	if err != nil {
		t.Fatal(err)
	}
	cache, err := exec.Command("go", "env", "GOCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	s := &scripts{programs: t.TempDir()}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("RECORDINGS", recordings)
			env.Setenv("PROGRAMS", s.programs)
			env.Values[startedKey{}] = new(started)
			env.Setenv("GOCACHE", strings.TrimSpace(string(cache)))
			return nil
		},
		Condition: func(name string) (bool, error) {
			switch name {
			case "live":
				return recordable(), nil
			case "root":
				return os.Geteuid() == 0, nil
			}
			return false, fmt.Errorf("unknown condition %q", name)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"status": status, "trouble": trouble, "start": s.start, "await": await, "mode": mode, "build": s.build, "tell": tell,
		},
	})
}

// recordable tells whether this process may record here.
var recordable = sync.OnceValue(func() bool {
	var features probes.Features
	_, err := probes.Choose(&features, wait.ModeIO, "")
	return err == nil
})

func status(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status N COMMAND [ARG...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

func trouble(ts *testscript.TestScript, neg bool, args []string) {
	status(ts, neg, append([]string{"2", "netpolltrace"}, args...))
	if out := ts.ReadFile("stdout"); out != "" {
		ts.Fatalf("standard output is not empty: %q", out)
	}
	said := ts.ReadFile("stderr")
	if !strings.HasPrefix(said, "netpolltrace: ") || strings.Count(said, "\n") != 1 || !strings.HasSuffix(said, "\n") {
		ts.Fatalf("standard error is not one line of netpolltrace: %q", said)
	}
}

// patience bounds everything that is waited for.
const patience = time.Minute

func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: await FILE")
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	ticks := time.NewTicker(time.Millisecond)
	defer ticks.Stop()
	for {
		if _, err := os.Stat(ts.MkAbs(args[0])); err == nil {
			return
		}
		select {
		case <-ctx.Done():
			ts.Fatalf("%s did not appear in %v", args[0], patience)
		case <-ticks.C:
		}
	}
}

func mode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: mode FILE PERM")
	}
	info, err := os.Stat(ts.MkAbs(args[0]))
	ts.Check(err)
	if got := fmt.Sprintf("%04o", info.Mode().Perm()); got != args[1] {
		ts.Fatalf("%s has permissions %s, want %s", args[0], got, args[1])
	}
}

// scripts is what the scripts share.
type scripts struct {
	programs string // folder of those that were built
	mu       sync.Mutex
	built    map[string]func() (string, error)
}

// program is the path of a program of testdata/programs, built once.
func (s *scripts) program(name string) (string, error) {
	s.mu.Lock()
	once, ok := s.built[name]
	if !ok {
		if s.built == nil {
			s.built = make(map[string]func() (string, error))
		}
		once = sync.OnceValues(func() (string, error) {
			return testprogram.Build{}.Program(context.Background(), name, s.programs)
		})
		s.built[name] = once
	}
	s.mu.Unlock()
	return once()
}

func (s *scripts) build(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: build NAME")
	}
	_, err := s.program(args[0])
	ts.Check(err)
}

func (s *scripts) start(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 || len(args) > 2 {
		ts.Fatalf("usage: start NAME [AS]")
	}
	path, err := s.program(args[0])
	ts.Check(err)
	if len(args) == 2 {
		as := ts.MkAbs(args[1])
		if err := os.Link(path, as); !errors.Is(err, fs.ErrExist) {
			ts.Check(err)
		}
		path = as
	}
	program, err := testprogram.Start(context.Background(), path)
	ts.Check(err)
	ts.Defer(func() {
		_ = program.Close() // the script may have killed it
	})
	ts.Setenv("PID", strconv.Itoa(program.PID()))
	programOf(ts).Process = program
}

// started is the program that a script started last.
type started struct{ *testprogram.Process }

// startedKey is what a script's [started] is kept by.
type startedKey struct{}

func programOf(ts *testscript.TestScript) *started { return ts.Value(startedKey{}).(*started) }

func tell(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: tell COMMAND [ARG...]")
	}
	_, err := programOf(ts).Do(args...)
	ts.Check(err)
}
