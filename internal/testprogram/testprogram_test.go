package testprogram_test

import (
	"errors"
	"go/build"
	"go/version"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/netpolltrace/netpolltrace/internal/testprogram"
)

func start(t *testing.T, name string, args ...string) *testprogram.Process {
	t.Helper()
	path, err := testprogram.Build{}.Program(t.Context(), name, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	process, err := testprogram.Start(t.Context(), path, args...)
	if err != nil {
		t.Fatal(err)
	}
	return process
}

func TestProgramsDoWhatTheySay(t *testing.T) {
	log, trace := filepath.Join(t.TempDir(), "churn.log"), filepath.Join(t.TempDir(), "trace")
	for _, c := range []struct {
		program string
		args    []string
		command []string // none: it has no commands
		says    []string // keys of the result
	}{
		{program: "echo", command: []string{"run", "20ms"}, says: []string{"trips", "seconds", "rate"}},
		{program: "truthful", command: []string{"run", "3"}, says: []string{"timeout", "interrupted", "closed"}},
		{program: "twolines", command: []string{"run", "1"}, says: []string{"quick_line", "slow_line"}},
		{program: "delays", command: []string{"network", "1"}, says: []string{"rounds", "late_ns"}},
		{program: "delays", command: []string{"netpoll", "1"}, says: []string{"rounds", "late_ns"}},
		{program: "delays", command: []string{"queue", "1"}, says: []string{"rounds", "late_ns"}},
		{program: "delays", command: []string{"sched", "1"}, says: []string{"rounds", "late_ns"}},
		{program: "delays", command: []string{"channel", "1"}, says: []string{"rounds", "late_ns"}},
		{program: "churn", command: []string{"run", "50", log}, says: []string{"conns", "ends"}},
		{program: "idle", args: []string{"-conns", "3"}},
		{program: "lifecycle", command: []string{"fork"}, says: []string{"pid"}},
		{program: "shop", command: []string{"run", "20ms", "all", trace}},
	} {
		t.Run(strings.Join(append([]string{c.program}, c.command...), " "), func(t *testing.T) {
			process := start(t, c.program, c.args...)
			if c.command != nil {
				result, err := process.Do(c.command...)
				if err != nil {
					t.Fatal(err)
				}
				for _, key := range c.says {
					if result[key] == "" {
						t.Errorf("result %v says nothing about %s", result, key)
					}
				}
			}
			if err := process.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// A reader that is late must have been late by as much as the program kept the
// processor from it.
func TestDelaysAreAsLongAsPromised(t *testing.T) {
	process := start(t, "delays")
	defer process.Close()
	for command, atLeast := range map[string]int64{"netpoll": 1e6, "queue": 10e6, "sched": 5e6, "channel": 5e6} {
		result, err := process.Do(command, "5")
		if err != nil {
			t.Fatal(err)
		}
		late, err := strconv.ParseInt(result["late_ns"], 10, 64)
		if err != nil || late < atLeast {
			t.Errorf("%s: late by %v ns, want at least %d", command, result["late_ns"], atLeast)
		}
	}
}

func TestEachEndOfEachConnectionIsInTheLog(t *testing.T) {
	process := start(t, "churn")
	defer process.Close()
	log := filepath.Join(t.TempDir(), "log")
	if _, err := process.Do("run", "100", log); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	goids := make(map[string]bool)
	for line := range strings.Lines(string(text)) {
		goids[strings.Fields(line)[0]] = true
	}
	if len(goids) != 200 {
		t.Errorf("%d goroutines served 100 connections, want 200", len(goids))
	}
}

func TestACommandThatIsUnknownEndsTheProgram(t *testing.T) {
	process := start(t, "echo")
	if _, err := process.Do("dance"); err == nil {
		t.Error("an unknown command was done")
	}
	if err := process.Close(); err == nil {
		t.Error("the program ended with status 0")
	}
}

func TestExtents(t *testing.T) {
	all := []string{"go1.18.10", "go1.23.2", "go1.23.12", "go1.27.4"}
	for builds, want := range map[string][]testprogram.Extent{
		"":    {testprogram.Whole, testprogram.Targets, testprogram.Whole, testprogram.Whole},
		"few": {testprogram.Plain, testprogram.Plain, testprogram.Plain, testprogram.Usual},
	} {
		t.Setenv("NETPOLLTRACE_BUILDS", builds)
		for i, release := range all {
			if got := testprogram.ExtentOf(release, all); got != want[i] {
				t.Errorf("builds %q: %s is tried to extent %d, want %d", builds, release, got, want[i])
			}
		}
	}
}

// TestProgramsBuildWithReleases builds all programs that are meant for the oldest
// of the releases with it.
func TestProgramsBuildWithReleases(t *testing.T) {
	oldest := slices.MinFunc(testprogram.Releases(t), version.Compare)
	programs, err := os.ReadDir("../../testdata/programs")
	if err != nil {
		t.Fatal(err)
	}
	for _, program := range programs {
		if !meantFor(t, filepath.Join("../../testdata/programs", program.Name()), oldest) {
			continue
		}
		if _, err := (testprogram.Build{Go: oldest}).Program(t.Context(), program.Name(), t.TempDir()); err != nil {
			t.Error(err)
		}
	}
}

// meantFor tells whether a package's build constraints allow a release of Go.
func meantFor(t *testing.T, dir, release string) bool {
	t.Helper()
	context := build.Default
	context.ReleaseTags = slices.DeleteFunc(slices.Clone(context.ReleaseTags), func(tag string) bool {
		return version.Compare(tag, version.Lang(release)) > 0
	})
	_, err := context.ImportDir(dir, 0)
	var none *build.NoGoError
	if errors.As(err, &none) {
		return false
	}
	if err != nil {
		t.Fatal(err)
	}
	return true
}
