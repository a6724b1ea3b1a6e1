package gobinary

import (
	"os"
	"strings"
	"testing"
)

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
