package gobinary

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/netpolltrace/netpolltrace/wait"
)

// NetpollCall is one place from which the runtime polls the network.
type NetpollCall struct {
	Return uint64 // the return address of the call
	// Poller is the runtime's function that polls: findRunnable,
	// "findRunnable blocking" for its second call, which may sleep in the
	// kernel, pollWork, sysmon or startTheWorld.
	Poller string
}

// InlinedPoll is a poll of the network without a call of netpoll.
type InlinedPoll struct {
	Place  Place  // the call of EpollWait, or of Syscall6 where that was inlined too
	Poller string // as in NetpollCall
}

// findNetpollers finds who calls netpoll, or has it inlined.
func (b *Binary) findNetpollers(p *Places) error {
	netpoll, ok := b.known()[fnNetpoll]
	if !ok {
		return fmt.Errorf("%s is not in the executable", fnNetpoll)
	}
	var without []string
	for _, n := range netpollers {
		if !b.has(n.function) {
			continue // the other spelling of findRunnable, or inlined
		}
		f, list, err := b.code(n.function)
		if err != nil {
			return err
		}
		calls, inlined := callsOf(list, netpoll), b.inlinedPolls(list)
		if len(calls)+len(inlined) == 0 {
			without = append(without, n.poller)
		}
		first := b.firstLine(append(slices.Clone(calls), inlined...))
		for _, ins := range calls {
			p.NetpollCalls = append(p.NetpollCalls, NetpollCall{ins.addr + ins.size, b.pollerAt(ins, n.poller, first)})
		}
		for _, ins := range inlined {
			p.InlinedPolls = append(p.InlinedPolls, InlinedPoll{b.place(f, ins), b.pollerAt(ins, n.poller, first)})
		}
	}
	if len(without) > 0 {
		return fmt.Errorf("no call of netpoll in %s", strings.Join(without, ", "))
	}
	return nil
}

// callsOf lists the calls of a function.
func callsOf(list []instruction, callee Func) []instruction {
	var calls []instruction
	for _, ins := range list {
		if ins.op == opCall && ins.target == callee.Entry {
			calls = append(calls, ins)
		}
	}
	return calls
}

// inlinedPolls lists the calls of epoll_wait in a body of netpoll that was
// inlined into the function.
func (b *Binary) inlinedPolls(list []instruction) []instruction {
	var calls []instruction
	for _, ins := range list {
		if ins.op != opCall {
			continue
		}
		callee, _ := b.FuncAt(ins.target)
		if !strings.HasSuffix(callee.Name, ".EpollWait") && !strings.HasSuffix(callee.Name, ".Syscall6") {
			continue
		}
		frames := b.Frames(ins.addr)
		if slices.ContainsFunc(frames, func(f wait.Frame) bool { return f.Func == fnNetpoll }) {
			calls = append(calls, ins)
		}
	}
	return calls
}

// firstLine is the lowest line of a function that some of its instructions are on.
func (b *Binary) firstLine(list []instruction) int {
	first := math.MaxInt
	for _, ins := range list {
		first = min(first, b.outerLine(ins))
	}
	return first
}

// outerLine is the line of the function that an instruction is in, also if it
// was inlined there.
func (b *Binary) outerLine(ins instruction) int {
	frames := b.Frames(ins.addr)
	if len(frames) == 0 {
		return 0
	}
	return frames[len(frames)-1].Line
}

// pollerAt names a poll. findRunnable polls on two lines, of which the second
// may block; either may have been inlined, so that the order of addresses does
// not tell.
func (b *Binary) pollerAt(ins instruction, name string, first int) string {
	if name == findRunnable && b.outerLine(ins) > first {
		return findRunnableBlocking
	}
	return name
}

// inlinedInto lists for some functions, by name, into which of the runtime's
// they were inlined.
func (b *Binary) inlinedInto(functions ...string) map[string][]string {
	t := b.tab
	names := make(map[uint32]string)
	for _, function := range functions {
		if f, ok := b.known()[function]; ok {
			if i, ok := t.index(f.Entry); ok {
				names[t.record(i).nameOffset()] = function
			}
		}
	}
	into := make(map[string][]string)
	for i := range t.funcs {
		r := t.record(i)
		if !b.isRuntime(r) {
			continue
		}
		caller := string(t.name(r.nameOffset()))
		for call := range t.inlinedCalls(r) {
			if name, ok := names[call.name]; ok && !slices.Contains(into[name], caller) {
				into[name] = append(into[name], caller)
			}
		}
	}
	return into
}

// isRuntime tells whether a function is of the packages that can have the
// runtime's functions inlined.
func (b *Binary) isRuntime(r funcRecord) bool {
	names := b.tab.names
	if uint64(r.nameOffset()) >= uint64(len(names)) {
		return false
	}
	name := names[r.nameOffset():]
	return bytes.HasPrefix(name, []byte("runtime.")) || bytes.HasPrefix(name, []byte("internal/poll."))
}
