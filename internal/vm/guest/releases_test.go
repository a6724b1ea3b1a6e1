package guest

import (
	"flag"
	"path/filepath"
	"testing"

	"github.com/netpolltrace/netpolltrace/internal/testprogram"
	"github.com/netpolltrace/netpolltrace/probes"
	"github.com/netpolltrace/netpolltrace/wait"
)

var releases = flag.String("releases", "", "`directory` of programs that releases of Go built, in RELEASE/VARIANT/")

// The releases of Go and ways to build that the machine was given.
func TestReleases(t *testing.T) {
	needsMachine(t)
	built, err := filepath.Glob(filepath.Join(*releases, "*", "*", "truthful"))
	if err != nil || len(built) == 0 {
		t.Fatalf("no programs in %q (%v)", *releases, err)
	}
	for _, path := range built {
		name, err := filepath.Rel(*releases, filepath.Dir(path))
		if err != nil {
			t.Fatal(err)
		}
		for _, mode := range []wait.Mode{wait.ModeIO, wait.ModeAll} {
			t.Run(name+"/"+string(mode), func(t *testing.T) {
				program, err := testprogram.Start(t.Context(), path)
				if err != nil {
					t.Fatal(err)
				}
				defer program.Close()
				checkTruthful(t, program, probes.Options{Mode: mode, Features: known})
			})
		}
	}
}
