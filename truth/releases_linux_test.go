package truth_test

import (
	"flag"
	"go/version"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/netpolltrace/netpolltrace/compatibility"
	"github.com/netpolltrace/netpolltrace/probes"
	"github.com/netpolltrace/netpolltrace/testprogram"
	"github.com/netpolltrace/netpolltrace/truth"
)

var update = flag.Bool("update", false, "write what TestReleases finds to docs/compatibility.md")

// variant is a way to build a program that is met in production.
type variant struct {
	name  string
	since string // the first release of Go that can
	cgo   bool   // takes a C compiler
	flags []string
}

func variants(t *testing.T) []variant {
	profile := func(name string) []string {
		path, err := filepath.Abs(name)
		if err != nil {
			t.Fatal(err)
		}
		return []string{"-pgo=" + path}
	}
	return []variant{
		{name: "static"},
		{name: "PIE", flags: []string{"-buildmode=pie"}},
		{name: "cgo", cgo: true, flags: []string{"-ldflags=-linkmode=external"}},
		{name: "stripped", flags: []string{"-ldflags=-s -w"}},
		{name: "race", cgo: true, flags: []string{"-race"}},
		{name: "PGO of a server", since: "go1.21", flags: profile("../gobinary/testdata/server.pgo")},
		{name: "PGO of channels", since: "go1.21", flags: profile("testdata/channels.pgo")},
	}
}

func (v variant) build(release string) testprogram.Build {
	cgo := "CGO_ENABLED=0"
	if v.cgo {
		cgo = "CGO_ENABLED=1"
	}
	return testprogram.Build{Go: release, Flags: v.flags, Env: []string{cgo}}
}

// TestReleases records programs built by other releases of Go: those in
// NETPOLLTRACE_GO_VERSIONS, such as "1.18.10 1.26.8", which the go command
// downloads if they are not there. Of several patch releases of one version the
// newest is tried in all variants, the others in one. "make test-go" runs it.
func TestReleases(t *testing.T) {
	releases := strings.Fields(os.Getenv("NETPOLLTRACE_GO_VERSIONS"))
	if len(releases) == 0 {
		t.Skip("NETPOLLTRACE_GO_VERSIONS is empty: it lists the releases of Go to test with")
	}
	if os.Geteuid() != 0 {
		t.Skip("recording needs root")
	}
	for i := range releases {
		releases[i] = "go" + releases[i]
	}
	all := variants(t)
	table := releaseTable(t, all)
	for _, release := range releases {
		superseded := slices.ContainsFunc(releases, func(other string) bool {
			return version.Lang(other) == version.Lang(release) && version.Compare(other, release) > 0
		})
		for _, v := range all {
			if superseded && v.name != all[0].name || version.Compare(release, v.since) < 0 {
				continue
			}
			t.Run(release+"/"+v.name, func(t *testing.T) { table.Set(release, v.name, try(t, release, v)) })
		}
		if !*update {
			continue
		}
		if err := table.Write(version.Compare); err != nil {
			t.Fatal(err)
		}
	}
}

func releaseTable(t *testing.T, all []variant) *compatibility.Table {
	t.Helper()
	var columns []string
	for _, v := range all {
		columns = append(columns, v.name)
	}
	table, err := compatibility.Read("../docs/compatibility.md", "releases of Go", columns...)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// try records one program in each mode, and says how that went for the table.
func try(t *testing.T, release string, v variant) (verdict string) {
	if v.cgo {
		if _, err := exec.LookPath("gcc"); err != nil {
			t.Skipf("gcc is missing, which builds %s", v.name)
		}
	}
	path, err := v.build(release).Program(t.Context(), "truthful", t.TempDir())
	if err != nil {
		t.Error(err)
		return "not built"
	}
	var exact []string
	for _, mode := range []probes.Mode{probes.ModeIO, probes.ModeAll} {
		t.Run(string(mode), func(t *testing.T) {
			tryMode(t, path, mode)
			if !t.Failed() {
				exact = append(exact, string(mode))
			}
		})
	}
	switch len(exact) {
	case 0:
		return "wrong"
	case 1:
		return "exact in " + exact[0] + " only"
	}
	return "exact"
}

// tryMode wants each wait of the trace to be in the recording, and no other.
func tryMode(t *testing.T, path string, mode probes.Mode) {
	file := filepath.Join(t.TempDir(), "trace")
	r, did := recordReadable(t, path, mode, file)
	result := match(t, r, file, modes[mode])
	if unpaired := len(result.Missing) + len(result.Extra); unpaired > 0 {
		t.Errorf("%d waits are in the trace or in the recording only", unpaired)
	}
	checkTimes(t, "total", &result.Total)
	checkTimes(t, "until", &result.Until)
	checkReasons(t, result, modes[mode])
	checkOutcomes(t, r, did)
	t.Logf("unmeasured: %v", r.meta.Unmeasured)
}

// recordReadable records a run of the program whose trace can be read: up to Go
// 1.20 the tracer now and then writes one whose events have no order that makes
// sense.
func recordReadable(t *testing.T, path string, mode probes.Mode, file string) (*recording, testprogram.Result) {
	t.Helper()
	const attempts = 3
	for range attempts {
		program := start(t, path)
		r, did := record(t, program, mode, []string{"run", "100", file})
		program.Close()
		_, err := truth.ReadFile(file)
		if err == nil {
			return r, did
		}
		t.Log(err)
	}
	t.Fatalf("no trace of %d could be read", attempts)
	return nil, nil
}
