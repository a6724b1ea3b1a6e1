package process

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/netpolltrace/netpolltrace/internal/rights"
)

func TestARefusalSaysWhatToDo(t *testing.T) {
	for name, test := range map[string]struct {
		refusal refusal
		words   []string
	}{
		"another user's process": {
			refusal{uid: 7, lacks: rights.OtherUsers},
			[]string{"run as user 7, or use sudo", "grant CAP_DAC_READ_SEARCH and CAP_SYS_PTRACE"},
		},
		"another user's process, half of the rights": {
			refusal{uid: 7, lacks: rights.DACReadSearch},
			[]string{"grant CAP_DAC_READ_SEARCH:"},
		},
		"the user's own under Yama": {
			refusal{own: true, lacks: rights.OtherUsers, ptraceScope: "1"},
			[]string{"ptrace_scope is 1", "sysctl kernel.yama.ptrace_scope=0"},
		},
		"the user's own with more rights": {
			refusal{own: true, lacks: rights.OtherUsers, ptraceScope: "0"},
			[]string{"file capabilities", "use sudo"},
		},
		"forbidden to all": {
			refusal{ptraceScope: "3"},
			[]string{"ptrace_scope=3 forbids it", "reboot"},
		},
		"forbidden although the capabilities are present": {
			refusal{},
			[]string{"security module", "--security-opt apparmor=unconfined"},
		},
	} {
		test.refusal.pid, test.refusal.comm, test.refusal.cause = 12, "api", unix.EACCES
		wantWords(t, name, test.refusal.explain(), append(test.words, "no right to read process 12 (api): permission denied")...)
	}
}
