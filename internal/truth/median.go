package truth

import (
	"slices"
	"time"

	"github.com/netpolltrace/netpolltrace/wait"
)

// Median is that of one part of the finished waits that have a function on their
// stack, of those where the part was measured.
func Median(waits []wait.Wait, function string, part func(*wait.Wait) time.Duration) time.Duration {
	var values []time.Duration
	for i := range waits {
		w := &waits[i]
		if w.Kind != wait.KindWait || w.Stack == nil || !slices.Contains(wait.Unfold(w.Stack.Funcs), function) {
			continue
		}
		if value := part(w); value != wait.Unmeasured {
			values = append(values, value)
		}
	}
	if len(values) == 0 {
		return wait.Unmeasured
	}
	slices.Sort(values)
	return values[len(values)/2]
}
