package gobinary

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// NetpollCall is one place from which the runtime polls the network.
type NetpollCall struct {
	Return uint64 // the return address of the call
	// Poller is the runtime's function that polls: findRunnable,
	// "findRunnable blocking" for its second call, which may sleep in the
	// kernel, pollWork, sysmon or startTheWorld.
	Poller string
}

// findNetpollers finds who calls netpoll, and netpollready where netpoll was
// inlined.
func (b *Binary) findNetpollers(p *Places) error {
	netpoll, polls := b.known()[fnNetpoll]
	ready, readies := b.known()[fnNetpollReady]
	if !polls || !readies {
		return fmt.Errorf("%s or %s is not in the executable", fnNetpoll, fnNetpollReady)
	}
	var without []string
	for _, n := range netpollers {
		if !b.has(n.function) {
			continue // the other spelling of findRunnable, or inlined
		}
		_, list, err := b.code(n.function)
		if err != nil {
			return err
		}
		calls, inlined := returnsOf(list, netpoll), returnsOf(list, ready)
		name := b.pollerNames(n.poller, append(slices.Clone(calls), inlined...))
		p.NetpollCalls = append(p.NetpollCalls, name(calls)...)
		p.NetpollReadyCalls = append(p.NetpollReadyCalls, name(inlined)...)
		if len(calls)+len(inlined) == 0 {
			without = append(without, n.poller)
		}
	}
	if len(without) > 0 {
		return fmt.Errorf("no call of netpoll in %s", strings.Join(without, ", "))
	}
	return nil
}

// returnsOf lists the return addresses of the calls of a function.
func returnsOf(list []instruction, callee Func) []uint64 {
	var returns []uint64
	for _, ins := range list {
		if ins.op == opCall && ins.target == callee.Entry {
			returns = append(returns, ins.addr+ins.size)
		}
	}
	return returns
}

// pollerNames gives a function that names the polls of one caller. findRunnable
// polls on two lines, of which the second may block; either may have been
// inlined, in any order of addresses.
func (b *Binary) pollerNames(name string, all []uint64) func([]uint64) []NetpollCall {
	first := 0
	for i, addr := range all {
		if line := b.callLine(addr); i == 0 || line < first {
			first = line
		}
	}
	return func(returns []uint64) []NetpollCall {
		var calls []NetpollCall
		for _, addr := range returns {
			call := NetpollCall{Return: addr, Poller: name}
			if name == findRunnable && b.callLine(addr) > first {
				call.Poller = findRunnableBlocking
			}
			calls = append(calls, call)
		}
		return calls
	}
}

// callLine is the line of the function that a call is in, also if the call was
// inlined into it.
func (b *Binary) callLine(returnAddress uint64) int {
	frames := b.Frames(returnAddress - 1)
	if len(frames) == 0 {
		return 0
	}
	return frames[len(frames)-1].Line
}

// findInlined says which of some functions were inlined somewhere in the
// runtime, as profile-guided optimisation does: a probe in the function's own
// code does not see those calls.
func (b *Binary) findInlined(names ...string) []string {
	t := b.tab
	offsets := make(map[uint32]string)
	for _, name := range names {
		if f, ok := b.known()[name]; ok {
			if i, ok := t.index(f.Entry); ok {
				offsets[t.record(i).nameOffset()] = name
			}
		}
	}
	var found []string
	for i := range t.funcs {
		r := t.record(i)
		if !b.isRuntime(r) {
			continue
		}
		for call := range t.inlinedCalls(r) {
			if name, ok := offsets[call.name]; ok {
				found = append(found, fmt.Sprintf("%s is inlined into %s: its probe does not see those calls",
					name, t.name(r.nameOffset())))
			}
		}
	}
	return slices.Compact(found)
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
