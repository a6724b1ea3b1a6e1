package doctor

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"golang.org/x/sys/unix"

	"github.com/netpolltrace/netpolltrace/internal/rights"
)

// wellMachine is a machine on which nothing is amiss.
func wellMachine() *machine {
	return &machine{
		release: "6.12.3-amd64", arch: "amd64", btf: true, tracefs: "/sys/kernel/tracing",
		held: ^rights.Set(0), ofMachine: true, outermost: true,
		sysctls:  map[string]string{unprivilegedBPF: "2", perfParanoid: "3", ptraceScope: "1"},
		lockdown: "none", seccomp: "0",
	}
}

// find returns the finding of a name.
func find(t *testing.T, findings []Finding, name string) Finding {
	t.Helper()
	for _, f := range findings {
		if f.Name == name {
			return f
		}
	}
	t.Fatalf("no finding is called %q", name)
	return Finding{}
}

func wantFinding(t *testing.T, f Finding, state State, detail, fix string) {
	t.Helper()
	if f.State != state {
		t.Errorf("%s is %s (%s), want %s", f.Name, f.State, f.Detail, state)
	}
	if !strings.Contains(f.Detail, detail) {
		t.Errorf("%s says %q, want %q in it", f.Name, f.Detail, detail)
	}
	if !strings.Contains(f.Fix, fix) || fix == "" && f.Fix != "" {
		t.Errorf("the fix of %s is %q, want %q in it", f.Name, f.Fix, fix)
	}
}

func TestAWellMachineNeedsNoCure(t *testing.T) {
	for _, f := range examineMachine(wellMachine()).Findings {
		if f.State == Warn || f.State == Fail || f.Fix != "" {
			t.Errorf("%s: %s, %s, fix %q", f.Name, f.State, f.Detail, f.Fix)
		}
	}
}

func TestFixesOfTheMachine(t *testing.T) {
	refusal := fmt.Errorf("map create: %w", unix.EPERM)
	for name, test := range map[string]struct {
		ail    func(*machine)
		check  string
		state  State
		detail string
		fix    string
	}{
		"an old kernel": {func(m *machine) { m.release = "5.4.0" },
			"kernel", Fail, "5.4.0", "Linux 5.8 or newer"},
		"no BTF": {func(m *machine) { m.btf = false },
			"types of the kernel (BTF)", Fail, "no /sys/kernel/btf/vmlinux", "CONFIG_DEBUG_INFO_BTF=y"},
		"no tracefs": {func(m *machine) { m.tracefs = "" },
			"tracefs", Note, "kretprobe", "sudo mount -t tracefs"},
		"no BPF in the kernel": {func(m *machine) { m.bpf = unix.ENOSYS },
			"bpf system call", Fail, "not in this kernel", "CONFIG_BPF_SYSCALL=y"},
		"no rights for BPF": {func(m *machine) { m.bpf, m.held = refusal, 0 },
			"bpf system call", Fail, "operation not permitted", seeRights},
		"a capability is missing": {func(m *machine) { m.held = rights.BPF },
			rightToBPF, Fail, "no CAP_PERFMON", "grant CAP_PERFMON"},
		"the rights of a user namespace": {func(m *machine) { m.bpf, m.ofMachine = refusal, false },
			"bpf system call", Fail, "not permitted", "outside this user namespace"},
		"a user namespace": {func(m *machine) { m.ofMachine = false },
			"user namespace", Fail, "not the machine's", "outside this user namespace"},
		"no rights for others' programs": {func(m *machine) { m.held = rights.Kernel },
			"right to other users' programs", Warn, "your own programs", "grant CAP_DAC_READ_SEARCH and CAP_SYS_PTRACE"},
		"no right to time programs": {func(m *machine) { m.held = rights.Kernel },
			"right to time the probes", Note, "only the traps", "grant CAP_SYS_ADMIN"},
		"locked memory is limited": {func(m *machine) { m.release, m.held = "5.10.0", rights.Kernel },
			"locked memory", Warn, "CAP_SYS_RESOURCE", "grant CAP_SYS_RESOURCE"},
		"locked memory is the culprit": {func(m *machine) { m.bpf, m.release, m.held = refusal, "5.10.0", rights.Kernel },
			"bpf system call", Fail, "refused", "grant CAP_SYS_RESOURCE"},
		"perf events forbidden": {func(m *machine) { m.held, m.sysctls[perfParanoid] = rights.Kernel, "3" },
			perfParanoid, Note, "no kprobes", "kernel.perf_event_paranoid=2"},
		"locked memory was raised before": {func(m *machine) { m.release, m.held, m.memoryUnlimited = "5.10.0", rights.Kernel, true },
			"locked memory", OK, "no limit", ""},
		"Yama and an ordinary user": {func(m *machine) { m.held = 0 },
			ptraceScope, Warn, "only programs that it starts", "sysctl kernel.yama.ptrace_scope=0"},
		"Yama forbids all": {func(m *machine) { m.sysctls[ptraceScope] = "3" },
			ptraceScope, Fail, "nobody", "reboot"},
		"lockdown": {func(m *machine) { m.lockdown = confidentiality },
			"lockdown", Fail, "read the kernel's memory", "lockdown=integrity"},
		"lockdown is the culprit": {func(m *machine) { m.bpf, m.lockdown = refusal, confidentiality },
			"bpf system call", Fail, "refused", "lockdown=integrity"},
		"a filter": {func(m *machine) { m.bpf, m.seccomp = refusal, "2" },
			"seccomp", Warn, "may forbid bpf", "seccomp=unconfined"},
		"a filter that allows BPF": {func(m *machine) { m.seccomp = "2" },
			"seccomp", OK, "allows bpf", ""},
		"a security module": {func(m *machine) { m.bpf, m.label = refusal, "docker-default (enforce)" },
			"bpf system call", Fail, "refused", "docker-default (enforce)"},
		"nobody knows": {func(m *machine) { m.bpf = refusal },
			"bpf system call", Fail, "refused", "ask the administrator"},
		"a container": {func(m *machine) { m.outermost, m.container = false, "/.dockerenv" },
			"container", Note, "/.dockerenv", "--pid=host"},
	} {
		t.Run(name, func(t *testing.T) {
			m := wellMachine()
			test.ail(m)
			wantFinding(t, find(t, examineMachine(m).Findings, test.check), test.state, test.detail, test.fix)
		})
	}
}

func TestFactsOfTheMachineFromItsFiles(t *testing.T) {
	files := fstest.MapFS{
		"sys/kernel/btf/vmlinux":                    {},
		"proc/self/mounts":                          {Data: []byte("proc /proc proc rw 0 0\ntracefs /sys/kernel/tracing tracefs rw 0 0\n")},
		"proc/sys/kernel/unprivileged_bpf_disabled": {Data: []byte("2\n")},
		"proc/sys/kernel/yama/ptrace_scope":         {Data: []byte("1\n")},
		"sys/kernel/security/lockdown":              {Data: []byte("none [integrity] confidentiality\n")},
		"proc/self/status":                          {Data: []byte("Name:\tx\nSeccomp:\t2\nSeccomp_filters:\t1\n")},
		"proc/self/attr/current":                    {Data: []byte("docker-default (enforce)\n\x00")},
		"run/.containerenv":                         {},
	}
	m := readMachine(files)
	if !m.btf || m.tracefs != "/sys/kernel/tracing" || m.lockdown != "integrity" || m.seccomp != "2" ||
		m.label != "docker-default (enforce)" || m.container != "/run/.containerenv" {
		t.Errorf("facts: %+v", m)
	}
	if m.sysctls[unprivilegedBPF] != "2" || m.sysctls[ptraceScope] != "1" || len(m.sysctls) != 2 {
		t.Errorf("kernel parameters: %v", m.sysctls)
	}
	if empty := readMachine(fstest.MapFS{}); empty.btf || empty.tracefs != "" || empty.container != "" {
		t.Errorf("facts out of nothing: %+v", empty)
	}
}

func TestReleasesInOrder(t *testing.T) {
	for release, before := range map[string]bool{
		"5.10.223-cloud-amd64": true, "5.11.0": false, "6.1.0": false, "4.19.0": true, "odd": false,
	} {
		m := machine{release: release}
		if m.before(5, 11) != before {
			t.Errorf("%s is before 5.11: %t, want %t", release, !before, before)
		}
	}
}
