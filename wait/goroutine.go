package wait

import "strings"

// StartedIn is the function whose go statement started a goroutine, as far as the
// name of the function that it was started with tells: the compiler names closures
// and the wrappers of calls with arguments after it. Else it is empty.
func StartedIn(function string) string {
	if outer, _, ok := strings.Cut(function, oldGoWrapper); ok {
		return outer
	}
	dot := strings.LastIndexByte(function, '.')
	if dot < 0 {
		return ""
	}
	switch strings.TrimRight(function[dot:], "0123456789") {
	case closure, goWrapper, ".":
		return function[:dot]
	}
	return ""
}

// SystemGoroutine tells whether a goroutine is one that the runtime started for
// its own use, such as an idle worker of the garbage collector, so that nobody
// waits for it to go on. start is the function that it was started with, reason
// what it waits for, in the runtime's words. See isSystemGoroutine in
// runtime/traceback.go: the goroutines of finalizers and cleanups count as the
// program's while they run its functions, and those of iter.Pull, which begin
// in runtime.corostart, always.
func SystemGoroutine(start, reason string) bool {
	if !strings.HasPrefix(start, "runtime.") {
		return false
	}
	switch start {
	case "runtime.main", "runtime.corostart", "runtime.handleAsyncEvent":
		return false
	case "runtime.runfinq", "runtime.runFinalizers", "runtime.runCleanups":
		return reason == "finalizer wait" || reason == "cleanup wait"
	}
	return true
}
