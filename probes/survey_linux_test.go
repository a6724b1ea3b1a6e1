package probes

import (
	"os"
	"strings"
	"testing"

	"github.com/netpolltrace/netpolltrace/wait"
)

// Doctor shows what the survey says, recordings do what the plan says.
func TestTheSurveyAgreesWithThePlan(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("attaching probes takes root")
	}
	var features Features
	required := Survey(&features)
	for _, mode := range []wait.Mode{wait.ModeIO, wait.ModeAll} {
		plan, err := Choose(&features, mode, "")
		if err != nil {
			t.Skipf("nothing can be recorded here: %v", err)
		}
		for i := range required {
			s := &required[i]
			if s.Part == "" {
				continue
			}
			want := s.Name + ": none"
			if chosen := s.Chosen(); chosen >= 0 {
				want = s.Name + ": " + s.Methods[chosen].Name
			}
			if !strings.Contains("\n"+strings.Join(plan.Lines, "\n"), "\n"+want) {
				t.Errorf("mode %s: the survey says %q, the plan\n%s", mode, want, strings.Join(plan.Lines, "\n"))
			}
			if _, lacks := plan.Unmeasured[s.Part]; lacks != (s.Chosen() < 0 || s.Methods[s.Chosen()].Limitation != "") {
				t.Errorf("mode %s: the plan says of %s: %q", mode, s.Part, plan.Unmeasured[s.Part])
			}
		}
	}
}
