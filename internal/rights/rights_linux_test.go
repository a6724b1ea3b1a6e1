package rights

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestLacks(t *testing.T) {
	for _, test := range []struct {
		held, needed, lacks Set
	}{
		{0, Kernel, Kernel},
		{BPF, Kernel, Perfmon},
		{Kernel, Kernel, 0},
		{SysAdmin, Kernel, 0},
		{SysAdmin, OtherUsers, OtherUsers},
		{SysPtrace, OtherUsers, DACReadSearch},
	} {
		if lacks := test.held.Lacks(test.needed); lacks != test.lacks {
			t.Errorf("%v lacks %v of %v, want %v", test.held, lacks, test.needed, test.lacks)
		}
	}
}

func TestSetInWords(t *testing.T) {
	for set, want := range map[Set]string{
		0:                   "none",
		BPF:                 "CAP_BPF",
		Kernel:              "CAP_PERFMON and CAP_BPF",
		Kernel | OtherUsers: "CAP_DAC_READ_SEARCH, CAP_SYS_PTRACE, CAP_PERFMON and CAP_BPF",
		1:                   "capability 0",
	} {
		if set.String() != want {
			t.Errorf("set %#x is %q, want %q", uint64(set), set, want)
		}
	}
}

func TestGrantNamesAllThatSetcapMustSet(t *testing.T) {
	const command = "sudo setcap cap_dac_read_search,cap_sys_ptrace,cap_perfmon,cap_bpf+ep "
	if grant := BPF.Grant(); !strings.Contains(grant, "grant CAP_BPF: "+command) {
		t.Errorf("granting CAP_BPF: %s", grant)
	}
	if grant := SysResource.Grant(); !strings.Contains(grant, "cap_sys_resource,") {
		t.Errorf("granting CAP_SYS_RESOURCE: %s", grant)
	}
}

func TestExplain(t *testing.T) {
	wrapped := fmt.Errorf("load program: %w (MEMLOCK may be too low)", unix.EPERM)
	for name, test := range map[string]struct {
		lacks     Set
		ofMachine bool
		want      string
	}{
		"capabilities missing": {Perfmon, true, "operation not permitted; use sudo, or grant CAP_PERFMON: "},
		"in a user namespace":  {0, false, "run netpolltrace outside it"},
		"nothing missing":      {0, true, "although the capabilities are present"},
	} {
		err := explain(Cause(wrapped), test.lacks, test.ofMachine)
		if !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q in it", name, err, test.want)
		}
		if !errors.Is(err, unix.EPERM) || strings.Contains(err.Error(), "MEMLOCK") {
			t.Errorf("%s: %v does not keep the kernel's error alone", name, err)
		}
	}
	other := errors.New("no such file")
	if err := Explain(other, Kernel); err != other {
		t.Errorf("another error became %v", err)
	}
}

func TestHeldIsWhatProcSays(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	held, err := Held()
	if err != nil {
		t.Fatal(err)
	}
	status, err := os.ReadFile("/proc/thread-self/status")
	if err != nil {
		t.Fatal(err)
	}
	if line := fmt.Sprintf("CapEff:\t%016x\n", uint64(held)); !strings.Contains(string(status), line) {
		t.Errorf("no line %q in\n%s", line, status)
	}
}

func TestTheDocumentNamesEveryCapability(t *testing.T) {
	text, err := os.ReadFile("../../docs/rights.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if !strings.Contains(string(text), "| "+name+" |") {
			t.Errorf("docs/rights.md has no row on %s", name)
		}
	}
	_, command, _ := strings.Cut(OtherUsers.Grant(), ": ")
	if !strings.Contains(string(text), "    "+command+"\n") {
		t.Errorf("docs/rights.md does not show %q", command)
	}
}
