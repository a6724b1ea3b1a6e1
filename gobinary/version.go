package gobinary

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// version is a release of Go.
type version struct {
	minor, patch int
	// altered tells that the toolchain was not an unchanged release: a release
	// candidate, a development version, a vendor's, or one with experiments on.
	// Its structures may differ from the release's.
	altered bool
}

// parseVersion reads what runtime.Version printed: "go1.26.8", "go1.27rc1",
// "go1.24.3 X:boringcrypto", "devel go1.28-3f2a6b1 Mon Nov 2".
func parseVersion(s string) (version, bool) {
	text, devel := strings.CutPrefix(s, "devel ")
	text, ok := strings.CutPrefix(text, "go1.")
	if !ok {
		return version{}, false
	}
	var v version
	v.minor, text, ok = leadingInt(text)
	if !ok {
		return version{}, false
	}
	if rest, dotted := strings.CutPrefix(text, "."); dotted {
		if v.patch, text, ok = leadingInt(rest); !ok {
			return version{}, false
		}
	}
	v.altered = devel || text != ""
	return v, true
}

// leadingInt splits the decimal number off the start of a string.
func leadingInt(s string) (n int, rest string, ok bool) {
	end := strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		end = len(s)
	}
	n, err := strconv.Atoi(s[:end])
	return n, s[end:], err == nil
}

// compare orders versions by release; it does not look at altered.
func (v version) compare(w version) int {
	return cmp.Or(cmp.Compare(v.minor, w.minor), cmp.Compare(v.patch, w.patch))
}

// before tells whether v is older than the release 1.minor.patch.
func (v version) before(minor, patch int) bool {
	return v.compare(version{minor: minor, patch: patch}) < 0
}

// String is the release as runtime.Version prints it.
func (v version) String() string {
	return fmt.Sprintf("go1.%d.%d", v.minor, v.patch)
}
