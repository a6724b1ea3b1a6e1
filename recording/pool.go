package recording

import (
	"github.com/netpolltrace/netpolltrace/wait"
)

// maxPooled bounds what a pool holds on to, in stacks and in processes.
const maxPooled = 1 << 16

// pool makes one pointer for each stack and process that a recording names.
type pool struct {
	processes   map[wait.Process]*wait.Process
	lastProcess *wait.Process

	stacks map[wait.Stack]*wait.Stack
	recent *[recentSlots]*wait.Stack
}

func newPool() pool {
	return pool{
		processes: make(map[wait.Process]*wait.Process),
		stacks:    make(map[wait.Stack]*wait.Stack),
		recent:    new([recentSlots]*wait.Stack),
	}
}

// process is the pointer for a process; nil if nothing is known of it.
func (p *pool) process(process wait.Process) *wait.Process {
	if p.lastProcess != nil && *p.lastProcess == process {
		return p.lastProcess
	}
	if process == (wait.Process{}) {
		return nil
	}
	known, ok := p.processes[process]
	if !ok {
		if len(p.processes) == maxPooled {
			clear(p.processes)
		}
		known = new(wait.Process)
		*known = process
		p.processes[process] = known
	}
	p.lastProcess = known
	return known
}

// stack is the pointer for a stack, whose Func is not set; nil for an empty one.
func (p *pool) stack(s *wait.Stack) *wait.Stack {
	if *s == (wait.Stack{}) {
		return nil
	}
	recent := &p.recent[slotOf(s.Lines)]
	if known := *recent; known != nil && same(known, s) {
		return known
	}
	known, ok := p.stacks[*s]
	if !ok {
		if len(p.stacks) == maxPooled {
			clear(p.stacks)
		}
		known = new(wait.Stack)
		*known = *s
		known.Func = funcOf(s)
		p.stacks[*s] = known
	}
	*recent = known
	return known
}

// same tells whether a stack is the known one, but for its Func.
func same(known, s *wait.Stack) bool {
	return known.Lines == s.Lines && known.Funcs == s.Funcs && known.Line == s.Line &&
		known.Via == s.Via && known.Own == s.Own
}

// funcOf is the function of the innermost frame that is at the stack's Line;
// empty if there is none.
func funcOf(s *wait.Stack) string {
	funcs, lines := wait.Unfold(s.Funcs), wait.Unfold(s.Lines)
	if len(funcs) != len(lines) {
		return ""
	}
	for i := len(lines) - 1; i >= 0; i-- {
		if lines[i] == s.Line {
			return funcs[i]
		}
	}
	return ""
}
