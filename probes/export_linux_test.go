package probes

import (
	"fmt"

	"github.com/netpolltrace/netpolltrace/process"
)

// FeatureCookie is what older kernels lack.
var FeatureCookie = featureCookie

// AdoptFrom takes over what waits in a snapshot of a process that was added as
// a fresh one.
func (r *Recorder) AdoptFrom(pid int, snapshot *process.Snapshot) error {
	t := r.find(pid)
	if t == nil {
		return fmt.Errorf("process %d is not recorded", pid)
	}
	t.taking.Lock()
	defer t.taking.Unlock()
	return r.adoptFrom(t, snapshot, t.began)
}
