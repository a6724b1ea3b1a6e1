package process

import (
	"encoding/binary"
	"slices"

	"github.com/netpolltrace/netpolltrace/gobinary"
	"github.com/netpolltrace/netpolltrace/internal/recent"
	"github.com/netpolltrace/netpolltrace/wait"
)

// The Symbolizer's caches hold between one and two times so many entries.
const (
	cachedStacks = 1 << 15
	cachedFrames = 1 << 16
)

// Symbolizer makes stacks of addresses of a process. It makes one [wait.Stack]
// of each chain of addresses, so that a pointer identifies it; only a chain
// that was not seen for tens of thousands of others is made anew. It is not
// safe for concurrent use.
type Symbolizer struct {
	binary  *gobinary.Binary
	modules wait.Modules // of binary and of all plugins that were met
	code    *wait.Code
	bias    uint64
	plugins *plugins           // nil: addresses outside the executable have no names
	met     []*gobinary.Binary // the plugins whose modules are in modules
	stacks  recent.Map[string, *wait.Stack]
	frames  recent.Map[uint64, []wait.Frame]
	key     []byte // scratch
}

// NewSymbolizer makes a Symbolizer for a process that has b loaded at a bias;
// see [Process.Bias].
func NewSymbolizer(b *gobinary.Binary, bias uint64) *Symbolizer {
	return &Symbolizer{
		binary: b, modules: b.Modules(), code: wait.NewCode(b.Modules(), nil), bias: bias,
		stacks: recent.Map[string, *wait.Stack]{Limit: cachedStacks},
		frames: recent.Map[uint64, []wait.Frame]{Limit: cachedFrames},
	}
}

// UsePlugins has the functions of Go plugins named that the process has loaded,
// until the process is closed.
func (s *Symbolizer) UsePlugins(p *Process) { s.plugins = &p.plugins }

// Stack is the stack of a chain of addresses of the process, innermost first:
// the first is that of an instruction, the others are return addresses. It is
// nil if none of them is in a Go function. The runtime's frames are kept, but
// for runtime.goexit at the root.
func (s *Symbolizer) Stack(pcs []uint64) *wait.Stack { return s.stack(pcs, s.bias) }

// StackOf is the stack of a goroutine of a [Snapshot], whose addresses are
// link-time ones: the same pointer as for its addresses in the process.
func (s *Symbolizer) StackOf(pcs []uint64) *wait.Stack { return s.stack(pcs, 0) }

// Func is the name of the function at an address of the process; empty if there is none.
func (s *Symbolizer) Func(pc uint64) string { return s.LinkFunc(pc - s.bias) }

// Call is the innermost function at the call that returns to an address of the
// process; false if there is none.
func (s *Symbolizer) Call(returnAddress uint64) (wait.Frame, bool) {
	frames := s.framesAt(returnAddress - 1 - s.bias)
	if len(frames) == 0 {
		return wait.Frame{}, false
	}
	return frames[0], true
}

// LinkFunc is the name of the function at a link-time address.
func (s *Symbolizer) LinkFunc(pc uint64) string {
	if f, ok := s.binary.FuncAt(pc); ok {
		return f.Name
	}
	if pc == 0 {
		return ""
	}
	frames := s.framesAt(pc)
	if len(frames) == 0 {
		return ""
	}
	return frames[len(frames)-1].Func
}

func (s *Symbolizer) stack(pcs []uint64, bias uint64) *wait.Stack {
	s.key = s.key[:0]
	for _, pc := range pcs {
		s.key = binary.LittleEndian.AppendUint64(s.key, pc-bias)
	}
	key := string(s.key)
	if stack, ok := s.stacks.Get(key); ok {
		return stack
	}
	var frames []wait.Frame // innermost first
	for i, pc := range pcs {
		pc -= bias
		if i > 0 {
			pc-- // into the call, which may be the last of its line or function
		}
		frames = append(frames, s.framesAt(pc)...)
	}
	stack := wait.NewStack(frames, s.code)
	s.stacks.Put(key, stack)
	return stack
}

func (s *Symbolizer) framesAt(pc uint64) []wait.Frame {
	frames, ok := s.frames.Get(pc)
	if !ok {
		frames = s.binary.Frames(pc)
		if frames == nil && s.plugins != nil {
			frames = s.framesOfPlugin(pc + s.bias)
		}
		s.frames.Put(pc, frames)
	}
	return frames
}

func (s *Symbolizer) framesOfPlugin(pc uint64) []wait.Frame {
	frames, plugin := s.plugins.frames(pc)
	if plugin != nil && !slices.Contains(s.met, plugin) {
		of := plugin.Modules()
		s.met = append(s.met, plugin)
		s.modules.Own = append(s.modules.Own, of.Own...)
		s.modules.Libraries = append(s.modules.Libraries, of.Libraries...)
		s.code = wait.NewCode(s.modules, nil)
	}
	return frames
}
