package explain

import (
	"cmp"
	"slices"

	"github.com/netpolltrace/netpolltrace/wait"
)

// maxHeld is how many waits are held back at most.
const maxHeld = 1 << 12

// heldBack is the waits of libraries' goroutines in mode io that may have been for
// another one: a handoff, which comes after the wait, tells whom. Each goroutine has
// its latest.
type heldBack map[holder]*wait.Wait

type holder struct {
	process *wait.Process
	goid    uint64
}

// handsOn tells whether a handoff may come that tells whom a wait was for: where
// wakers are seen, the waits of those tell it.
func (s *Stage) handsOn(w *wait.Wait) bool {
	return s.handoffs && w.Kind == wait.KindWait && w.Goid != 0 && w.Op == wait.OpRead && w.Role == wait.RoleDialed &&
		w.Stack != nil && w.Stack.Own == "" && !s.wakers.of(w.Process)
}

// hold keeps an explained wait until its goroutine hands on what it waited for, or
// waits again.
func (s *Stage) hold(w *wait.Wait) error {
	if len(s.held) >= maxHeld {
		if err := s.Flush(); err != nil {
			return err
		}
	}
	key := holder{w.Process, w.Goid}
	if err := s.release(key); err != nil {
		return err
	}
	kept, explanation := *w, *w.Explanation
	kept.Explanation = &explanation
	s.held[key] = &kept
	return nil
}

// release hands on what a goroutine's wait is held back of.
func (s *Stage) release(key holder) error {
	w, ok := s.held[key]
	if !ok {
		return nil
	}
	delete(s.held, key)
	return s.next.Wait(w)
}

// handoff takes in to whom a goroutine handed what it had waited for. Its wait was
// for that one, and is told at the stack of that one where code of the program is
// on it.
func (s *Stage) handoff(h *wait.Wait) error {
	s.handoffs = true
	key := holder{h.Process, h.WakerGoid}
	if w, ok := s.held[key]; ok && ofProgram(h) {
		w.Stack = h.Stack
		w.Explanation.For = s.handedTo(h)
	}
	return s.release(key)
}

// handedTo is who is kept waiting by the goroutine that got something.
func (e *Explainer) handedTo(h *wait.Wait) wait.For {
	g := e.goroutines.findOrAdd(h.Process, h.Goid)
	e.place(g, h)
	if g.position.whom == "" {
		return wait.ForBackground
	}
	return g.position.whom
}

// Flush hands on the waits that are held back.
func (s *Stage) Flush() error {
	keys := make([]holder, 0, len(s.held))
	for key := range s.held {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b holder) int { return cmp.Compare(s.held[a].Start, s.held[b].Start) })
	for _, key := range keys {
		if err := s.release(key); err != nil {
			return err
		}
	}
	return nil
}
