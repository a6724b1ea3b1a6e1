package wait

import "testing"

func TestSystemGoroutines(t *testing.T) {
	for _, c := range []struct {
		start, reason string
		want          bool
	}{
		{"runtime.bgsweep", "GC sweep wait", true},
		{"runtime.gcBgMarkWorker", "GC worker (idle)", true},
		{"runtime.forcegchelper", "force gc (idle)", true},
		{"runtime.main", "sleep", false},
		{"runtime.corostart", "chan receive", false},
		{"runtime.corostart", "coroutine", false},
		{"runtime.handleAsyncEvent", "select", false},
		{"runtime.runfinq", "finalizer wait", true}, // up to Go 1.24
		{"runtime.runfinq", "chan receive", false},
		{"runtime.runFinalizers", "finalizer wait", true},
		{"runtime.runFinalizers", "sync.Mutex.Lock", false},
		{"runtime.runCleanups", "cleanup wait", true},
		{"runtime.runCleanups", "IO wait", false},
		{"runtime/pprof.profileWriter", "sleep", false},
		{"net/http.(*Server).Serve.gowrap3", "IO wait", false},
		{"main.main.func1", "select", false},
		{"", "select", false},
	} {
		if got := SystemGoroutine(c.start, c.reason); got != c.want {
			t.Errorf("SystemGoroutine(%q, %q) = %t", c.start, c.reason, got)
		}
	}
}
