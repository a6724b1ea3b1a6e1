package truth

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/netpolltrace/netpolltrace/wait"
)

// Exactness is by how much the times of a recording may differ from those of the
// trace where their waits are the same.
type Exactness struct {
	// Between is what lies between the probes' stamps and the trace's two: the
	// probes stamp before the park and after the resume. So much may the middle
	// pair differ, and the sum of all for each pair.
	Between time.Duration
	// AtBest is how much the twentieth of the pairs may differ that agree best: what
	// else runs on the machine makes traps slower, never faster.
	AtBest time.Duration
	// Torn is the share of pairs, from 0 to 1, that may have been torn apart, besides
	// one for each [Options.Preempted].
	Torn float64
}

// sumTolerance is by how much sums may differ besides, without the pairs that
// were torn apart.
const sumTolerance = 0.01

// CheckWaits returns an error for waits that one side lacks, and for other
// reasons.
func (r *Result) CheckWaits() error {
	var faults []error
	if unpaired := len(r.Missing) + len(r.Extra); unpaired > 0 || len(r.Pairs) == 0 {
		faults = append(faults, fmt.Errorf("%d waits are in both the trace and the recording, %d in the trace only, %d in the recording only",
			len(r.Pairs), len(r.Missing), len(r.Extra)))
	}
	if n := len(r.WrongReason); n > 0 {
		faults = append(faults, fmt.Errorf("%d waits have another reason", n))
	}
	return errors.Join(faults...)
}

// CheckTimes returns what keeps the times of the pairs from being exact.
func (r *Result) CheckTimes(e Exactness) error {
	var faults []error
	for _, part := range r.parts() {
		faults = append(faults, part.check(part.name, e, r.preempted))
	}
	return errors.Join(faults...)
}

func (p *Part) check(name string, e Exactness, preempted int) error {
	if p.Measured() == 0 {
		return fmt.Errorf("%s: it was measured of no pair", name)
	}
	var faults []error
	if allowed := e.Torn*float64(p.Measured()) + float64(preempted); float64(p.Torn) > allowed {
		faults = append(faults, fmt.Errorf("%s: %d of %d pairs differ by far, and the program was preempted %d times",
			name, p.Torn, p.Measured(), preempted))
	}
	if best := p.distance(0.05); best > e.AtBest {
		faults = append(faults, fmt.Errorf("%s: the best twentieth of the pairs differ by up to %v", name, best))
	}
	if middle := p.Difference(0.5); middle.Abs() > e.Between {
		faults = append(faults, fmt.Errorf("%s: the middle one of the differences is %v", name, middle))
	}
	trace, ours := p.Trace-p.TornTrace, p.Ours-p.TornOurs
	allowed := time.Duration(sumTolerance*float64(trace)) + time.Duration(p.Measured()-p.Torn)*e.Between
	if (ours - trace).Abs() > allowed {
		faults = append(faults, fmt.Errorf("%s: the sum of those not torn apart is %v, the trace's %v", name, ours, trace))
	}
	return errors.Join(faults...)
}

// CheckReasons wants so many pairs of each of the trace's reasons: waits that are
// on neither side agree as well.
func (r *Result) CheckReasons(reasons []string, atLeast int) error {
	seen := make(map[string]int)
	for _, pair := range r.Pairs {
		seen[pair.Trace.Reason]++
	}
	var faults []error
	for _, reason := range reasons {
		if seen[reason] < atLeast {
			faults = append(faults, fmt.Errorf("%d pairs of %q, want at least %d", seen[reason], reason, atLeast))
		}
	}
	return errors.Join(faults...)
}

// mostShort is of how many waits the program may say more than there are: a
// deadline that passes before the goroutine parks ends no wait, and one that comes
// while it is about to park wakes nobody.
const mostShort = 3

// CheckOutcomes holds how waits ended, which the trace does not tell, against
// what testdata/programs/truthful says of itself: its words by outcome, each all but
// a lower bound.
func CheckOutcomes(waits []wait.Wait, said map[string]string) error {
	seen := make(map[wait.Outcome]int)
	for i := range waits {
		seen[waits[i].Outcome]++
	}
	short := 0
	for _, outcome := range []wait.Outcome{wait.OutcomeTimeout, wait.OutcomeInterrupted, wait.OutcomeClosed} {
		atLeast, err := strconv.Atoi(said[string(outcome)])
		if err != nil || atLeast == 0 {
			return fmt.Errorf("the program says of waits that ended as %s: %q", outcome, said[string(outcome)])
		}
		short += max(0, atLeast-seen[outcome])
	}
	if short > mostShort {
		return fmt.Errorf("waits ended as %v, the program knows of at least %v", seen, said)
	}
	return nil
}
