package gobinary

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the offsets of NETPOLLTRACE_GO_VERSIONS to offsets.json")

// TestToolchains repeats the tests of this package with other releases of Go:
// those in NETPOLLTRACE_GO_VERSIONS, such as "1.18.10 1.26.8", which the go
// command downloads if they are not there. "make test-go" runs it.
func TestToolchains(t *testing.T) {
	versions := strings.Fields(os.Getenv("NETPOLLTRACE_GO_VERSIONS"))
	if len(versions) == 0 {
		t.Skip("NETPOLLTRACE_GO_VERSIONS is empty: it lists the releases of Go to test with")
	}
	checks := []struct {
		name  string
		check func(*testing.T, program)
	}{
		{"frames", checkFrames}, {"functions", checkFunctions}, {"layout", checkLayout},
		{"globals", checkGlobals}, {"places", checkPlaces}, {"boundaries", checkBoundaries},
		{"wait reasons", checkWaitReasons}, {"TLS", checkTLS}, {"headers", checkHeaders},
	}
	if *update {
		updateOffsets(t, versions)
	}
	for _, version := range versions {
		release, ok := parseVersion("go" + version)
		if !ok {
			t.Errorf("%q is no release of Go", version)
			continue
		}
		for _, v := range variants {
			if v.name == "PGO" && release.before(21, 0) {
				continue // -pgo does not take a file there
			}
			t.Run(version+"/"+v.name, func(t *testing.T) {
				p := build(t, v, toolchain("go"+version))
				for _, c := range checks {
					t.Run(c.name, func(t *testing.T) { c.check(t, p) })
				}
			})
		}
	}
}

// updateOffsets puts what DWARF says of releases into the table.
func updateOffsets(t *testing.T, versions []string) {
	table, err := readOffsets()
	if err != nil {
		t.Fatal(err)
	}
	for _, version := range versions {
		p := build(t, variants[0], toolchain("go"+version))
		l, err := dwarfLayout(p.open(t))
		if err != nil {
			t.Fatal(err)
		}
		offsets := make(map[string]uint32)
		for _, f := range fields {
			if offset := *f.in(l); offset != NoField {
				offsets[f.key()] = offset
			}
		}
		if table, err = table.with("go"+version, offsets); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	for i, e := range table {
		line, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		out.WriteString(map[bool]string{true: "[\n", false: ",\n"}[i == 0])
		out.Write(line)
	}
	out.WriteString("\n]\n")
	if err := os.WriteFile("offsets.json", out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
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
	case entry != nil && maps.Equal(entry.Offsets, offsets):
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
