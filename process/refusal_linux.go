package process

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/netpolltrace/netpolltrace/internal/rights"
)

// rightsError says which right is missing. Reading another process's memory
// requires ptrace access: see ptrace(2), "Ptrace access mode checking".
func rightsError(pid int, st stat, err error) error {
	r := refusal{pid: pid, comm: st.Comm, cause: rights.Cause(err), uid: -1}
	if s, err := readStatus(procPath(pid, "status")); err == nil {
		r.uid = s.UID
	}
	r.own = r.uid == os.Getuid()
	if scope, err := os.ReadFile("/proc/sys/kernel/yama/ptrace_scope"); err == nil {
		r.ptraceScope = strings.TrimSpace(string(scope))
	}
	held, err := rights.Held()
	if err != nil {
		return errors.Join(r.cause, err)
	}
	r.lacks = held.Lacks(rights.OtherUsers)
	return r.explain()
}

// refusal is what is known when the kernel did not let a process be read.
type refusal struct {
	pid         int
	comm        string
	cause       error
	uid         int  // whose process it is; -1 if that is not known
	own         bool // it is the caller's
	lacks       rights.Set
	ptraceScope string // of Yama; empty where the kernel has no Yama
}

// explain says why, and what to do.
func (r *refusal) explain() error {
	restricted := r.ptraceScope != "" && r.ptraceScope != "0"
	var fix string
	switch {
	case r.lacks == 0 && r.ptraceScope == "3":
		fix = "kernel.yama.ptrace_scope=3 forbids it to everybody: set another value and reboot"
	case r.lacks == 0:
		fix = "the capabilities are present, so a security module or a container forbids it: run netpolltrace on the host, or its container with --security-opt apparmor=unconfined"
	case r.own && restricted:
		fix = fmt.Sprintf("kernel.yama.ptrace_scope is %s: sudo sysctl kernel.yama.ptrace_scope=0, or %s", r.ptraceScope, r.lacks.Grant())
	case r.own:
		fix = "it has rights that you do not have (setuid, file capabilities) or hides its memory (PR_SET_DUMPABLE): " + r.lacks.Grant()
	default:
		fix = fmt.Sprintf("run as user %d, or %s", r.uid, r.lacks.Grant())
	}
	return fmt.Errorf("no right to read process %d (%s): %w; %s", r.pid, r.comm, r.cause, fix)
}
