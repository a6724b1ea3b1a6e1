package truth_test

import (
	"flag"
	"go/version"
	"os"
	"runtime"
	"testing"

	"github.com/netpolltrace/netpolltrace/internal/compatibility"
	"github.com/netpolltrace/netpolltrace/internal/testprogram"
	"github.com/netpolltrace/netpolltrace/wait"
)

var update = flag.Bool("update", false, "write what TestReleases finds to docs/compatibility.md")

// demo is the column of the demo's workload, which is built in one way.
const demo = "demo"

// TestReleases records programs built by other releases of Go, in the variants of
// their [testprogram.Extent]. "make test-go" runs it.
func TestReleases(t *testing.T) {
	releases := testprogram.Releases(t)
	if os.Geteuid() != 0 {
		t.Skip("recording needs root")
	}
	table := releaseTable(t)
	for _, release := range releases {
		extent := testprogram.ExtentOf(release, releases)
		for i, v := range testprogram.Variants {
			if i > 0 && extent < testprogram.Usual || !v.Usual && extent < testprogram.Whole || !v.With(release) {
				continue
			}
			t.Run(release+"/"+v.Name, func(t *testing.T) {
				table.Set(release, v.Name, try(t, v.Build(t, release, runtime.GOARCH), "truthful", recordEveryKind))
			})
		}
		t.Run(release+"/"+demo, func(t *testing.T) {
			table.Set(release, demo, try(t, testprogram.Build{Go: release}, "shop", recordShop))
		})
		if !*update {
			continue
		}
		if err := table.Write(version.Compare); err != nil {
			t.Fatal(err)
		}
	}
}

func releaseTable(t *testing.T) *compatibility.Table {
	t.Helper()
	table, err := compatibility.Read("../../docs/compatibility.md", "releases of Go", append(testprogram.VariantNames(), demo)...)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// try records one program in each mode, and says how that went for the table.
func try(t *testing.T, build testprogram.Build, program string, record func(*testing.T, string, wait.Mode)) (verdict string) {
	path, err := build.Program(t.Context(), program, t.TempDir())
	if err != nil {
		t.Error(err)
		return "not built"
	}
	var exact []string
	for _, mode := range []wait.Mode{wait.ModeIO, wait.ModeAll} {
		t.Run(string(mode), func(t *testing.T) {
			record(t, path, mode)
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
