package dtrace

import (
	"encoding/binary"
	"strings"

	"github.com/netpolltrace/netpolltrace/gobinary"
	"github.com/netpolltrace/netpolltrace/wait"
)

// maxStacks bounds how many distinct stacks are kept: when they are more, all are
// made anew.
const maxStacks = 1 << 16

// symbols names the addresses of a process that runs the executable.
type symbols struct {
	binary *gobinary.Binary
	code   *wait.Code
	slide  uint64 // run-time address minus link-time address
	stacks map[string]*wait.Stack
	key    []byte
}

// located settles where the executable was loaded, by the address at which a
// probe of a function's entry fired. Some systems tell one that is past the trap;
// executables are loaded at whole pages.
func (s *symbols) located(pc, entry uint64) {
	const page = 4096
	if slide := (pc - entry) &^ (page - 1); slide != s.slide {
		s.slide, s.stacks = slide, nil
	}
}

// stack is the stack of return addresses, innermost first, up to the first 0; nil
// if none is in a Go function.
func (s *symbols) stack(pcs []uint64) *wait.Stack {
	s.key = s.key[:0]
	for _, pc := range pcs {
		if pc == 0 {
			break
		}
		s.key = binary.LittleEndian.AppendUint64(s.key, pc)
	}
	if stack, ok := s.stacks[string(s.key)]; ok {
		return stack
	}
	var frames []wait.Frame
	for i := 0; i < len(s.key)/8; i++ {
		// Into the call, which may be the last instruction of its line.
		frames = append(frames, s.binary.Frames(pcs[i]-1-s.slide)...)
	}
	stack := wait.NewStack(frames, s.code)
	if s.stacks == nil || len(s.stacks) >= maxStacks {
		s.stacks = make(map[string]*wait.Stack)
	}
	s.stacks[string(s.key)] = stack
	return stack
}

// function is the name of the function that an address is in; empty for none.
func (s *symbols) function(pc uint64) string {
	f, _ := s.binary.FuncAt(pc - s.slide)
	return f.Name
}

// line is "file:line" of the call that returns to an address; empty for none.
func (s *symbols) line(pc uint64) string {
	if frames := s.binary.Frames(pc - 1 - s.slide); pc != 0 && len(frames) > 0 {
		return frames[0].FileLine()
	}
	return ""
}

// The functions that end a wait in the netpoller before its time.
const (
	fnUnblock     = "internal/poll.runtime_pollUnblock"
	fnSetDeadline = "internal/poll.runtime_pollSetDeadline"
)

// endedBy is how a wait in the netpoller ended that another goroutine ended, by
// that one's stack.
func endedBy(waker *wait.Stack) wait.Outcome {
	switch {
	case waker == nil:
	case strings.Contains(waker.Funcs, fnUnblock):
		return wait.OutcomeClosed
	case strings.Contains(waker.Funcs, fnSetDeadline):
		return wait.OutcomeInterrupted
	}
	return wait.OutcomeUnknown
}
