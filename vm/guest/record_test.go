package guest

import (
	"testing"

	"github.com/netpolltrace/netpolltrace/probes"
	"github.com/netpolltrace/netpolltrace/session"
)

func TestSurvey(t *testing.T) {
	needsMachine(t)
	var f probes.Features
	probes.Choose(&f, probes.ModeIO, "")
	for _, sight := range probes.Survey(&f) {
		for _, way := range sight.Ways {
			t.Logf("%s: %s: %v", sight.Name, way.Name, way.Err)
		}
	}
}

func TestRecords(t *testing.T) {
	needsMachine(t)
	for _, b := range probes.Backends {
		for _, mode := range []probes.Mode{probes.ModeIO, probes.ModeAll} {
			t.Run(string(b)+"/"+string(mode), func(t *testing.T) {
				program := launch(t, "truthful")
				r, res := record(t, program, session.Config{Mode: mode, Backend: b}, []string{"run", "10"})
				t.Logf("%d waits %v\n%v", len(r.Waits), res, r.meta.Probes)
			})
		}
	}
}
