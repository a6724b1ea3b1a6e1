package vm_test

import (
	"fmt"
	"go/version"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/netpolltrace/netpolltrace/internal/compatibility"
	"github.com/netpolltrace/netpolltrace/internal/testprogram"
	"github.com/netpolltrace/netpolltrace/internal/vm"
)

// onArm64 is the machine that records the programs of releases of Go.
var onArm64 = vm.Machine{Kernel: "6.12", Arch: "arm64"}

// oldestOnArm64 is the first version of Go that is tried there.
const oldestOnArm64 = "go1.22"

// cell is one program: what built it, and how.
type cell struct {
	release string
	variant testprogram.Variant
}

// dir is where the program is, from the archive's root.
func (c cell) dir() string { return filepath.Join(vm.Releases, c.release, c.variant.Slug()) }

// TestReleases records programs of other releases of Go on arm64: the newest in all
// variants, the newest patch releases of the other versions in the usual ones; or
// where time is short, the newest in one. "make test-go" runs it.
func TestReleases(t *testing.T) {
	cells := cellsOf(testprogram.Releases(t))
	if len(cells) == 0 {
		t.Skipf("none of the releases is %s or newer", oldestOnArm64)
	}
	if _, err := exec.LookPath(compiler()); err != nil {
		t.Skipf("%s is missing, which builds programs for %s", compiler(), onArm64.Arch)
	}
	kernels, err := vm.Fetch(t.Context(), []vm.Machine{onArm64})
	if err != nil {
		t.Fatal(err)
	}
	base, err := vm.Build(t.Context(), onArm64.Arch, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	tests := recordCells(t, cells, kernels, base)
	if *update {
		writeReleases(t, cells, tests)
	}
}

// recordCells shares the programs out between two machines at a time, and returns
// what their tests said.
func recordCells(t *testing.T, cells []cell, kernels, base string) []vm.Test {
	halves := slices.Collect(slices.Chunk(cells, (len(cells)+1)/2))
	tests := make([][]vm.Test, len(halves))
	t.Run("machines", func(t *testing.T) {
		for i, half := range halves {
			t.Run(fmt.Sprint(i+1), func(t *testing.T) {
				t.Parallel()
				archives := []string{base, buildCells(t, half)}
				tests[i] = boot(t, onArm64, kernels, archives, "-test.run=^TestReleases$").Tests
			})
		}
	})
	return slices.Concat(tests...)
}

// compiler is the C compiler for that machine.
func compiler() string { return testprogram.CompilerFor(onArm64.Arch) }

func cellsOf(releases []string) []cell {
	newest := slices.MaxFunc(releases, version.Compare)
	var cells []cell
	for _, release := range releases {
		extent := testprogram.ExtentOf(release, releases)
		if version.Compare(release, oldestOnArm64) < 0 || extent < testprogram.Usual {
			continue
		}
		for i, v := range testprogram.Variants {
			if i == 0 || extent == testprogram.Whole && (release == newest || v.Usual) {
				cells = append(cells, cell{release, v})
			}
		}
	}
	return cells
}

// buildCells builds the programs and packs them.
func buildCells(t *testing.T, cells []cell) string {
	t.Helper()
	root := t.TempDir()
	for _, c := range cells {
		dir := filepath.Join(root, c.dir())
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if _, err := c.variant.Build(t, c.release, onArm64.Arch).Program(t.Context(), "truthful", dir); err != nil {
			t.Fatal(err)
		}
	}
	archive := filepath.Join(t.TempDir(), "releases.cpio")
	if err := vm.Pack(t.Context(), root, archive, compiler()); err != nil {
		t.Fatal(err)
	}
	return archive
}

func writeReleases(t *testing.T, cells []cell, tests []vm.Test) {
	t.Helper()
	table, err := compatibility.Read("../../docs/compatibility.md", "releases of Go on arm64", testprogram.VariantNames()...)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cells {
		name := fmt.Sprintf("TestReleases/%s/%s", c.release, c.variant.Slug())
		table.Set(c.release, c.variant.Name, strings.Replace(verdict(tests, name), "true", "exact", 1))
	}
	if err := table.Write(version.Compare); err != nil {
		t.Fatal(err)
	}
}
