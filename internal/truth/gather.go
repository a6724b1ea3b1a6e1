package truth

import (
	"fmt"
	"strings"

	"github.com/netpolltrace/netpolltrace/wait"
)

// Gather is a [wait.Sink] that keeps everything, for [Match].
type Gather struct {
	Waits  []wait.Wait
	Events []wait.Event
}

// Wait keeps a copy.
func (g *Gather) Wait(w *wait.Wait) error {
	g.Waits = append(g.Waits, *w)
	return nil
}

// Event keeps a copy.
func (g *Gather) Event(e *wait.Event) error {
	g.Events = append(g.Events, *e)
	return nil
}

// Losses lists what the recording says that it lost or could not complete. Skipped
// is how many runs of probes the kernel left out, which is not in the list: it does
// so where a thread was preempted in the same probe, as happens on any busy machine.
// Each may have left a wait out or incomplete.
func (g *Gather) Losses() (losses []string, skipped uint64) {
	for _, e := range g.Events {
		switch {
		case e.Kind == wait.EventIncomplete && strings.Contains(e.Note, "kernel skipped"):
			skipped += e.Count
		case e.Kind == wait.EventLost || e.Kind == wait.EventIncomplete:
			losses = append(losses, fmt.Sprintf("%s %d: %s", e.Kind, e.Count, e.Note))
		}
	}
	return losses, skipped
}
