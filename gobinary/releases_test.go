package gobinary

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	goversion "go/version"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/netpolltrace/netpolltrace/internal/compatibility"
	"github.com/netpolltrace/netpolltrace/internal/testprogram"
)

var update = flag.Bool("update", false, "write offsets.json and the table of docs/compatibility.md")

// TestReleases repeats the tests of this package with other releases of Go. Of
// several patch releases of one version the newest is tried in all variants, the
// others in one for each CPU. "make test-go" runs it.
func TestReleases(t *testing.T) {
	all := testprogram.Releases(t)
	table, err := compatibility.Read("../docs/compatibility.md", "executables", "amd64", "arm64")
	if err != nil {
		t.Fatal(err)
	}
	for _, release := range all {
		failed, complete := tryRelease(t, release, all)
		if !*update || !complete {
			continue
		}
		for arch, names := range failed {
			verdict := "exact"
			if len(names) > 0 {
				verdict = "not " + strings.Join(names, ", ")
			}
			table.Set(release, arch, verdict)
		}
		if err := table.Write(goversion.Compare); err != nil {
			t.Fatal(err)
		}
	}
}

// tryRelease returns the names of the variants that failed, by architecture, and
// whether all were tried: a test can be skipped, or not asked for.
func tryRelease(t *testing.T, release string, all []string) (failed map[string][]string, complete bool) {
	failed, complete = map[string][]string{"amd64": nil, "arm64": nil}, true
	briefly, thoroughly := testprogram.Superseded(release, all), testprogram.Thorough(release, all)
	for _, v := range variants {
		if v.name == "PGO" && goversion.Compare(release, "go1.21") < 0 {
			continue // -pgo does not take a file there
		}
		if briefly && v.name != variants[0].name && v.name != "arm64" || v.unusual && !thoroughly {
			complete = complete && briefly
			continue
		}
		tried := false
		passed := t.Run(release+"/"+v.name, func(t *testing.T) {
			checkVariant(t, release, v)
			tried = true
		})
		if !passed {
			failed[v.arch()] = append(failed[v.arch()], v.name)
		}
		complete = complete && (tried || !passed)
	}
	return failed, complete
}

// checkVariant holds what is told of one executable against its toolchain.
func checkVariant(t *testing.T, release string, v variant) {
	p := build(t, v, toolchain(release))
	for _, c := range []struct {
		name  string
		check func(*testing.T, program)
	}{
		{"frames", checkFrames}, {"functions", checkFunctions}, {"layout", checkLayout},
		{"globals", checkGlobals}, {"places", checkPlaces}, {"boundaries", checkBoundaries},
		{"wait reasons", checkWaitReasons}, {"TLS", checkTLS}, {"headers", checkHeaders},
	} {
		t.Run(c.name, func(t *testing.T) { c.check(t, p) })
	}
}

// TestOffsetsOfReleases holds the table of offsets against the DWARF of other
// releases of Go, or with -update writes what they say into it. "make generate"
// does that.
func TestOffsetsOfReleases(t *testing.T) {
	all := testprogram.Releases(t)
	table, err := readOffsets()
	if err != nil {
		t.Fatal(err)
	}
	for _, release := range all {
		v, ok := parseVersion(release)
		if !ok {
			t.Fatalf("%s is not understood", release)
		}
		measured := measure(t, release)
		entry, exact := table.lookup(v)
		switch {
		case *update:
			if table, err = table.with(release, measured); err != nil {
				t.Fatal(err)
			}
		case !exact:
			t.Errorf("%v is not in offsets.json: run make generate with GO_VERSIONS", release)
		case !maps.Equal(entry.Offsets, measured):
			t.Errorf("%v has the offsets %v, the table %v", release, measured, entry.Offsets)
		}
	}
	if *update {
		table.write(t)
	}
}

// measure builds a program and reads the offsets in its DWARF.
func measure(t *testing.T, release string) map[string]uint32 {
	t.Helper()
	l, err := dwarfLayout(build(t, variants[0], toolchain(release)).open(t))
	if err != nil {
		t.Fatal(err)
	}
	offsets := make(map[string]uint32)
	for _, f := range fields {
		if offset := *f.in(l); offset != NoField {
			offsets[f.key()] = offset
		}
	}
	return offsets
}

// write puts the table into its file, a line for each entry.
func (t offsetTable) write(test *testing.T) {
	test.Helper()
	var out bytes.Buffer
	for i, e := range t {
		line, err := json.Marshal(e)
		if err != nil {
			test.Fatal(err)
		}
		out.WriteString(map[bool]string{true: "[\n", false: ",\n"}[i == 0])
		out.Write(line)
	}
	out.WriteString("\n]\n")
	if err := os.WriteFile("offsets.json", out.Bytes(), 0o644); err != nil {
		test.Fatal(err)
	}
}

// with adds a release: to the range of an entry that has the same offsets and
// is next to it, or with an entry of its own. To an entry that has it already it
// adds fields that are new to the list; the others must be the same.
func (t offsetTable) with(release string, offsets map[string]uint32) (offsetTable, error) {
	v, _ := parseVersion(release)
	entry, exact := t.lookup(v)
	switch {
	case exact:
		for key, offset := range offsets {
			if known, ok := entry.Offsets[key]; ok && known != offset {
				return nil, fmt.Errorf("%s is at %d in %s, the table has %d for %s to %s: remove that entry and measure its releases again",
					key, offset, release, known, entry.First, entry.Last)
			}
		}
		entry.Offsets = offsets
		return t, nil
	case entry != nil && entry.minor() == v.minor && maps.Equal(entry.Offsets, offsets):
		entry.Last = release
		return t, nil
	default:
		t = append(t, offsetEntry{First: release, Last: release, Offsets: offsets})
	}
	slices.SortFunc(t, func(a, b offsetEntry) int {
		first, _ := parseVersion(a.First)
		second, _ := parseVersion(b.First)
		return first.compare(second)
	})
	return t, nil
}

func (e *offsetEntry) minor() int {
	v, _ := parseVersion(e.First)
	return v.minor
}

func TestTableGrowsByRelease(t *testing.T) {
	old, changed := map[string]uint32{"runtime.g.m": 48}, map[string]uint32{"runtime.g.m": 56}
	table := offsetTable{{First: "go1.27.0", Last: "go1.27.4", Offsets: old}}
	for _, measured := range []struct {
		release string
		offsets map[string]uint32
	}{{"go1.27.3", old}, {"go1.27.6", old}, {"go1.27.9", changed}, {"go1.26.2", old}} {
		var err error
		if table, err = table.with(measured.release, measured.offsets); err != nil {
			t.Fatal(err)
		}
	}
	var ranges []string
	for _, e := range table {
		ranges = append(ranges, e.First+"-"+e.Last)
	}
	want := []string{"go1.26.2-go1.26.2", "go1.27.0-go1.27.6", "go1.27.9-go1.27.9"}
	if !slices.Equal(ranges, want) {
		t.Errorf("entries are %v, want %v", ranges, want)
	}
	if _, err := table.with("go1.27.5", changed); err == nil {
		t.Error("a release with other offsets than the rest of its entry was taken in")
	}
}

func TestNewFieldsAreAddedToAnEntry(t *testing.T) {
	table := offsetTable{{First: "go1.27.0", Last: "go1.27.4", Offsets: map[string]uint32{"runtime.g.m": 48}}}
	table, err := table.with("go1.27.4", map[string]uint32{"runtime.g.m": 48, "runtime.m.p": 208})
	if err != nil || len(table) != 1 || table[0].Offsets["runtime.m.p"] != 208 {
		t.Errorf("table is %v, %v", table, err)
	}
}
