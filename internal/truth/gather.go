package truth

import "github.com/netpolltrace/netpolltrace/wait"

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
