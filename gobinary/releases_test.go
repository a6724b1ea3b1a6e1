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

// TestReleases repeats the tests of this package with other releases of Go, in the
// variants of their [testprogram.Extent]. "make test-go" runs it.
func TestReleases(t *testing.T) {
	all := testprogram.Releases(t)
	table, err := compatibility.Read("../docs/compatibility.md", "executables", columns()...)
	if err != nil {
		t.Fatal(err)
	}
	for _, release := range all {
		failed, complete := tryRelease(t, release, all)
		if !*update || !complete {
			continue
		}
		for _, column := range columns() {
			verdict := "exact"
			if names := failed[column]; len(names) > 0 {
				verdict = "not " + strings.Join(names, ", ")
			}
			table.Set(release, column, verdict)
		}
		if err := table.Write(goversion.Compare); err != nil {
			t.Fatal(err)
		}
	}
}

// columns are those of the table: the CPUs of Linux, then of the other systems.
func columns() []string {
	var all []string
	for _, v := range variants {
		if c := v.column(); !slices.Contains(all, c) {
			all = append(all, c)
		}
	}
	return all
}

// column is the column that the variant belongs to.
func (v variant) column() string {
	if v.system() == "linux" {
		return v.arch()
	}
	return strings.TrimSuffix(v.name, " stripped")
}

// isIn tells whether a variant is tried in an extent.
func (v variant) isIn(extent testprogram.Extent) bool {
	switch extent {
	case testprogram.Plain:
		return v.name == variants[0].name
	case testprogram.Targets:
		return v.name == variants[0].name || v.name == v.column()
	case testprogram.Usual:
		return !v.unusual
	}
	return true
}

// tryRelease returns the names of the variants that failed, by column, and whether
// enough were tried for the table: a test can be skipped, or not asked for.
func tryRelease(t *testing.T, release string, all []string) (failed map[string][]string, complete bool) {
	failed, complete = make(map[string][]string), true
	extent := testprogram.ExtentOf(release, all)
	for _, v := range variants {
		if v.name == "PGO" && goversion.Compare(release, "go1.21") < 0 {
			continue // -pgo does not take a file there
		}
		if !v.isIn(extent) {
			complete = complete && extent == testprogram.Targets
			continue
		}
		tried := false
		passed := t.Run(release+"/"+v.name, func(t *testing.T) {
			checkVariant(t, release, v)
			tried = true
		})
		if !passed {
			failed[v.column()] = append(failed[v.column()], v.name)
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
		{"wait reasons", checkWaitReasons}, {"TLS", checkTLS}, {"headers", checkHeaders}, {"entries", checkEntries},
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
		measured := measureAll(t, release)
		entry, exact := table.lookup(v)
		switch {
		case *update:
			if table, err = table.with(measured); err != nil {
				t.Fatal(err)
			}
		case !exact:
			t.Errorf("%v is not in offsets.json: run make generate with GO_VERSIONS", release)
		case !entry.equal(measured):
			t.Errorf("%v has the offsets %v, the table %v", release, measured, entry)
		}
	}
	if *update {
		table.write(t)
	}
}

// measureAll measures a release on all systems. What its offsets are on another
// one than Linux is kept only where they are others.
func measureAll(t *testing.T, release string) offsetEntry {
	t.Helper()
	e := offsetEntry{First: release, Last: release}
	for _, v := range variants {
		if len(v.args) > 0 || v.cgo || v.name != "static" && v.system() == "linux" {
			continue
		}
		v.small = true
		offsets := measure(t, v, release)
		if e.Offsets == nil {
			e.Offsets = offsets
			continue
		}
		for key, offset := range offsets {
			if e.on(v.system())[key] != offset {
				e.set(v.system(), key, offset)
			}
		}
		if got := e.on(v.system()); !maps.Equal(got, offsets) {
			t.Fatalf("%s: the offsets differ by architecture: %v, %v", v.name, got, offsets)
		}
	}
	return e
}

func (e *offsetEntry) set(system, key string, offset uint32) {
	if e.Systems == nil {
		e.Systems = make(map[string]map[string]uint32)
	}
	if e.Systems[system] == nil {
		e.Systems[system] = make(map[string]uint32)
	}
	e.Systems[system][key] = offset
}

// equal tells whether two entries hold the same offsets.
func (e *offsetEntry) equal(other offsetEntry) bool {
	return maps.Equal(e.Offsets, other.Offsets) && maps.EqualFunc(e.Systems, other.Systems, maps.Equal[map[string]uint32, map[string]uint32])
}

// measure builds a program and reads the offsets in its DWARF.
func measure(t *testing.T, v variant, release string) map[string]uint32 {
	t.Helper()
	l, err := dwarfLayout(build(t, v, toolchain(release)).open(t))
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
// adds fields and systems that are new to the list; the others must be the same.
func (t offsetTable) with(measured offsetEntry) (offsetTable, error) {
	release := measured.First
	v, _ := parseVersion(release)
	entry, exact := t.lookup(v)
	switch {
	case exact:
		for key, offset := range measured.Offsets {
			if known, ok := entry.Offsets[key]; ok && known != offset {
				return nil, fmt.Errorf("%s is at %d in %s, the table has %d for %s to %s: remove that entry and measure its releases again",
					key, offset, release, known, entry.First, entry.Last)
			}
		}
		entry.Offsets, entry.Systems = measured.Offsets, measured.Systems
		return t, nil
	case entry != nil && entry.minor() == v.minor && entry.equal(measured):
		entry.Last = release
		return t, nil
	default:
		t = append(t, measured)
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

func measuredAs(release string, offsets map[string]uint32) offsetEntry {
	return offsetEntry{First: release, Last: release, Offsets: offsets}
}

func TestTableGrowsByRelease(t *testing.T) {
	old, changed := map[string]uint32{"runtime.g.m": 48}, map[string]uint32{"runtime.g.m": 56}
	table := offsetTable{{First: "go1.27.0", Last: "go1.27.4", Offsets: old}}
	for _, measured := range []struct {
		release string
		offsets map[string]uint32
	}{{"go1.27.3", old}, {"go1.27.6", old}, {"go1.27.9", changed}, {"go1.26.2", old}} {
		var err error
		if table, err = table.with(measuredAs(measured.release, measured.offsets)); err != nil {
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
	if _, err := table.with(measuredAs("go1.27.5", changed)); err == nil {
		t.Error("a release with other offsets than the rest of its entry was taken in")
	}
}

func TestNewFieldsAreAddedToAnEntry(t *testing.T) {
	table := offsetTable{{First: "go1.27.0", Last: "go1.27.4", Offsets: map[string]uint32{"runtime.g.m": 48}}}
	table, err := table.with(measuredAs("go1.27.4", map[string]uint32{"runtime.g.m": 48, "runtime.m.p": 208}))
	if err != nil || len(table) != 1 || table[0].Offsets["runtime.m.p"] != 208 {
		t.Errorf("table is %v, %v", table, err)
	}
}
