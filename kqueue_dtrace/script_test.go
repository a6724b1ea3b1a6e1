package dtrace_test

import (
	"errors"
	"flag"
	goversion "go/version"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/netpolltrace/netpolltrace/gobinary"
	"github.com/netpolltrace/netpolltrace/internal/compatibility"
	"github.com/netpolltrace/netpolltrace/internal/testprogram"
	dtrace "github.com/netpolltrace/netpolltrace/kqueue_dtrace"
	"github.com/netpolltrace/netpolltrace/wait"
)

var update = flag.Bool("update", false, "write the golden files and the table of docs/compatibility.md")

func script(t *testing.T, b *gobinary.Binary, mode wait.Mode) *dtrace.Script {
	t.Helper()
	s, err := dtrace.NewScript(b, mode)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// goldenMinor is the version of Go whose offsets the golden files hold.
const goldenMinor = "go1.26"

// A build ID is of the toolchain's own build, and a patch release changes nothing.
var ownWords = regexp.MustCompile(`go1\.26[0-9.]*( \S+\\n|)`)

func TestScriptsAreTheGoldenOnes(t *testing.T) {
	if goversion.Lang(runtime.Version()) != goldenMinor {
		t.Skipf("the golden files are of %s, this is %s", goldenMinor, runtime.Version())
	}
	for _, g := range append(systems, target{system: "linux", arch: "amd64"}) {
		for mode := range wantedProbes {
			text := ownWords.ReplaceAllString(script(t, g.open(t), mode).Text, goldenMinor)
			file := filepath.Join("testdata", "golden", g.String()+"-"+string(mode)+".d")
			if *update {
				if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if text != string(want) {
				t.Errorf("%s is not what is made now; go test ./kqueue_dtrace -update writes it", file)
			}
		}
	}
}

// wantedProbes are what a script of a mode must probe.
var wantedProbes = map[wait.Mode]*regexp.Regexp{
	wait.ModeIO: regexp.MustCompile(`(?s)runtime\.netpollblockcommit:entry.*runtime\.netpollready:entry.*` +
		`runtime\.(?:netpollgoready|goready):entry.*runtime\.netpollblock:[0-9a-f]+\n`),
	wait.ModeAll: regexp.MustCompile(`(?s)runtime\.park_m:entry.*runtime\.netpollready:entry.*runtime\.ready:entry.*runtime\.execute:entry`),
}

// checkScripts wants scripts for a program of a release, or a refusal of one
// without symbols.
func checkScripts(t *testing.T, g target) {
	b := g.open(t)
	// Up to Go 1.21 the linker kept the symbols of Mach-O in spite of -s.
	kept := g.system == "darwin" && b.GoBefore(22)
	if stripped := g.stripped && !kept; b.Stripped != stripped {
		t.Errorf("stripped is %v, want %v", b.Stripped, stripped)
	}
	for mode, probes := range wantedProbes {
		s, err := dtrace.NewScript(b, mode)
		switch {
		case b.Stripped && (!errors.Is(err, dtrace.ErrUnsupported) || !strings.Contains(err.Error(), "-ldflags=-s")):
			t.Errorf("mode %s: error is %v, want a refusal that says why", mode, err)
		case b.Stripped:
		case err != nil:
			t.Errorf("mode %s: %v", mode, err)
		case !probes.MatchString(s.Text):
			t.Errorf("mode %s: not all is probed:\n%s", mode, s.Text)
		case len(s.Unmeasured) > 0:
			t.Errorf("mode %s: unmeasured: %v", mode, s.Unmeasured)
		case strings.Contains(s.Text, "4294967295"):
			t.Errorf("mode %s reads a field that this version does not have:\n%s", mode, s.Text)
		}
	}
}

func TestScriptsOfEachSystem(t *testing.T) {
	for _, g := range systems {
		t.Run(g.String(), func(t *testing.T) { checkScripts(t, g) })
		g.stripped = true
		t.Run(g.String(), func(t *testing.T) { checkScripts(t, g) })
	}
}

// TestReleases repeats that with other releases of Go. "make test-go" runs it.
func TestReleases(t *testing.T) {
	var columns []string
	for _, g := range systems {
		columns = append(columns, g.system+"/"+g.arch)
	}
	table, err := compatibility.Read("../docs/compatibility.md", "scripts", columns...)
	if err != nil {
		t.Fatal(err)
	}
	for _, release := range testprogram.Releases(t) {
		for _, g := range systems {
			verdict := "resolved"
			for _, stripped := range []bool{false, true} {
				g.release, g.stripped = release, stripped
				if !t.Run(g.String(), func(t *testing.T) { checkScripts(t, g) }) {
					verdict = "not"
				}
			}
			table.Set(release, g.system+"/"+g.arch, verdict)
		}
	}
	if *update {
		if err := table.Write(goversion.Compare); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWhatNoScriptIsMadeFor(t *testing.T) {
	b := systems[0].open(t)
	if _, err := dtrace.NewScript(b, wait.ModeSample); err == nil || !strings.Contains(err.Error(), "io or all") {
		t.Errorf("mode sample: %v", err)
	}
}
