package wait

import "strings"

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
