package doctor

import (
	"errors"
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/netpolltrace/netpolltrace/internal/rights"
)

// rightToBPF names the check that others refer to, by seeRights.
const (
	rightToBPF = "right to use BPF"
	seeRights  = "see " + rightToBPF + ", above"
)

// machineCheck judges one thing about the machine. The name of what it returns
// is filled in.
type machineCheck struct {
	name string
	run  func(*machine) Finding
}

var machineChecks = []machineCheck{
	{"kernel", checkKernel},
	{"types of the kernel (BTF)", checkBTF},
	{"tracefs", checkTracefs},
	{"user", checkUser},
	{rightToBPF, rightTo(rights.Kernel, Fail, "nothing can be recorded without it")},
	{"bpf system call", checkBPF},
	{"right to other users' programs", rightTo(rights.OtherUsers, Warn, "only your own programs can be recorded")},
	{"right to time the probes", rightTo(rights.SysAdmin, Note, "without it the cost in reports counts only the traps")},
	{"locked memory", checkLockedMemory},
	{unprivilegedBPF, checkUnprivilegedBPF},
	{perfParanoid, checkPerfParanoid},
	{ptraceScope, checkPtraceScope},
	{"lockdown", checkLockdown},
	{"seccomp", checkSeccomp},
	{"security module", checkLabel},
	{"user namespace", checkUserNamespace},
	{"container", checkContainer},
}

func examineMachine(m *machine) Section {
	section := Section{Name: "Machine"}
	for _, check := range machineChecks {
		finding := check.run(m)
		finding.Name = check.name
		section.Findings = append(section.Findings, finding)
	}
	return section
}

func checkKernel(m *machine) Finding {
	f := Finding{State: OK, Detail: m.release + " " + m.arch}
	if m.before(5, 8) {
		f.State, f.Fix = Fail, "boot Linux 5.8 or newer: older ones have no BPF ring buffer"
	}
	return f
}

func checkBTF(m *machine) Finding {
	if m.btf {
		return Finding{State: OK, Detail: "/sys/kernel/btf/vmlinux"}
	}
	return Finding{State: Fail, Detail: "there is no /sys/kernel/btf/vmlinux",
		Fix: "boot a kernel that was built with CONFIG_DEBUG_INFO_BTF=y; those of Debian, Ubuntu, Fedora, RHEL and SUSE are"}
}

func checkTracefs(m *machine) Finding {
	if m.tracefs != "" {
		return Finding{State: OK, Detail: m.tracefs}
	}
	return Finding{State: Note, Detail: "not mounted: no return probes (kretprobe)",
		Fix: "only if no other method below works: sudo mount -t tracefs tracefs /sys/kernel/tracing"}
}

func checkBPF(m *machine) Finding {
	switch {
	case m.bpf == nil:
		return Finding{State: OK, Detail: "can create maps"}
	case errors.Is(m.bpf, unix.ENOSYS):
		return Finding{State: Fail, Detail: "not in this kernel", Fix: "boot a kernel that was built with CONFIG_BPF_SYSCALL=y"}
	case rights.Refused(m.bpf):
		return Finding{State: Fail, Detail: refused(m.bpf), Fix: m.fixRefusal()}
	}
	return Finding{State: Fail, Detail: m.bpf.Error(), Fix: "look at the kernel's log (dmesg)"}
}

// refusers are what can make the kernel refuse BPF, the most likely first.
var refusers = []struct {
	guilty func(*machine) bool
	fix    func(*machine) string
}{
	{func(m *machine) bool { return !m.ofMachine },
		func(*machine) string { return outsideUserNamespace }},
	{func(m *machine) bool { return !m.mayUseBPF() },
		func(*machine) string { return seeRights }},
	{func(m *machine) bool { return m.lacksLockedMemory() },
		func(*machine) string { return rights.SysResource.Grant() }},
	{func(m *machine) bool { return m.lockdown == confidentiality },
		func(*machine) string { return withoutLockdown }},
	{func(m *machine) bool { return m.seccomp == seccompFilter },
		func(*machine) string { return withoutSeccomp }},
	{func(m *machine) bool { return m.confined() },
		func(m *machine) string { return "allow bpf in the policy for " + m.label }},
}

const (
	outsideUserNamespace = "run netpolltrace outside this user namespace (a rootless container, or unshare): inside it no capability is enough"
	withoutLockdown      = "boot with lockdown=integrity, or with Secure Boot off"
	withoutSeccomp       = "allow bpf and perf_event_open in the filter: run the container with --security-opt seccomp=unconfined, or as --privileged"
)

// mayUseBPF tells whether the capabilities for it are present and apply.
func (m *machine) mayUseBPF() bool { return m.ofMachine && m.held.Lacks(rights.Kernel) == 0 }

// refused says that the kernel refused something.
func refused(err error) string { return "refused: " + rights.Cause(err).Error() }

// fixRefusal says what to do where the kernel refuses BPF.
func (m *machine) fixRefusal() string {
	for _, refuser := range refusers {
		if refuser.guilty(m) {
			return refuser.fix(m)
		}
	}
	return "the capabilities are present; ask the administrator of this machine what forbids it (a security module, a kernel option)"
}

func checkUser(m *machine) Finding {
	return Finding{State: Note, Detail: fmt.Sprintf("uid %d", m.uid)}
}

// rightTo checks for capabilities; lacking says how bad it is without them.
func rightTo(needed rights.Set, lacking State, without string) func(*machine) Finding {
	return func(m *machine) Finding {
		lacks := m.held.Lacks(needed)
		if lacks == 0 {
			return Finding{State: OK, Detail: needed.String()}
		}
		return Finding{State: lacking, Detail: fmt.Sprintf("no %v: %s", lacks, without), Fix: lacks.Grant()}
	}
}

// lacksLockedMemory tells whether the kernel counts BPF maps as locked memory
// and the limit cannot be raised.
func (m *machine) lacksLockedMemory() bool {
	return m.before(5, 11) && !m.memoryUnlimited && m.held.Lacks(rights.SysResource) != 0
}

func checkLockedMemory(m *machine) Finding {
	switch {
	case !m.before(5, 11):
		return Finding{State: OK, Detail: "does not limit BPF from Linux 5.11 on"}
	case m.lacksLockedMemory():
		return Finding{State: Warn, Detail: "limits BPF before Linux 5.11, and CAP_SYS_RESOURCE is missing", Fix: rights.SysResource.Grant()}
	}
	return Finding{State: OK, Detail: "no limit, or it can be raised"}
}

// notInKernel is the finding about a kernel parameter that is not there.
var notInKernel = Finding{State: Note, Detail: "not in this kernel"}

func checkUnprivilegedBPF(m *machine) Finding {
	value, ok := m.sysctls[unprivilegedBPF]
	if !ok {
		return notInKernel
	}
	return Finding{State: Note, Detail: value + ": does not apply with CAP_BPF"}
}

// checkPerfParanoid knows of the values above 2, which Debian's and Ubuntu's
// kernels have added.
func checkPerfParanoid(m *machine) Finding {
	value, ok := m.sysctls[perfParanoid]
	level, err := strconv.Atoi(value)
	switch {
	case !ok:
		return notInKernel
	case err == nil && level > 2 && m.held.Lacks(rights.SysAdmin) != 0:
		return Finding{State: Note, Detail: value + ": no kprobes without CAP_SYS_ADMIN",
			Fix: "only if no other method below works: sudo sysctl kernel.perf_event_paranoid=2"}
	}
	return Finding{State: Note, Detail: value + ": does not apply with CAP_PERFMON"}
}

func checkPtraceScope(m *machine) Finding {
	value, ok := m.sysctls[ptraceScope]
	switch {
	case !ok:
		return notInKernel
	case value == "3":
		return Finding{State: Fail, Detail: "3: nobody may read another process", Fix: "set another value in /etc/sysctl.d and reboot: it cannot be changed at run time"}
	case value != "0" && m.held.Lacks(rights.SysPtrace) != 0:
		return Finding{State: Warn, Detail: value + ": without CAP_SYS_PTRACE netpolltrace can read only programs that it starts",
			Fix: "sudo sysctl kernel.yama.ptrace_scope=0, or " + rights.SysPtrace.Grant()}
	}
	return Finding{State: OK, Detail: value}
}

// confidentiality is the strictest lockdown: no BPF program may read the kernel's memory.
const confidentiality = "confidentiality"

func checkLockdown(m *machine) Finding {
	switch m.lockdown {
	case confidentiality:
		return Finding{State: Fail, Detail: "confidentiality: no program may read the kernel's memory", Fix: withoutLockdown}
	case "":
		return Finding{State: Note, Detail: "not known, or not in this kernel"}
	}
	return Finding{State: OK, Detail: m.lockdown}
}

// seccompFilter is how /proc/PID/status says that a filter is active.
const seccompFilter = "2"

func checkSeccomp(m *machine) Finding {
	switch {
	case m.seccomp == "0" || m.seccomp == "":
		return Finding{State: OK, Detail: "no filter"}
	case m.bpf != nil:
		return Finding{State: Warn, Detail: "a filter is active; it may forbid bpf", Fix: withoutSeccomp}
	}
	return Finding{State: OK, Detail: "a filter is active; it allows bpf"}
}

// confined tells whether a security module may restrict this process.
func (m *machine) confined() bool {
	return m.label != "" && m.label != "unconfined" && m.label != "_"
}

func checkLabel(m *machine) Finding {
	if !m.confined() {
		return Finding{State: OK, Detail: "not confined"}
	}
	return Finding{State: Note, Detail: "runs as " + m.label}
}

func checkUserNamespace(m *machine) Finding {
	if m.ofMachine {
		return Finding{State: OK, Detail: "the machine's"}
	}
	return Finding{State: Fail, Detail: "not the machine's: capabilities in it do not apply to the machine", Fix: outsideUserNamespace}
}

func checkContainer(m *machine) Finding {
	within := ""
	if m.container != "" {
		within = " (" + m.container + ")"
	}
	if !m.outermost {
		return Finding{State: Note, Detail: "in its own PID namespace" + within + ": sees only the processes in it",
			Fix: "to see the others, run the container with --pid=host"}
	}
	if m.container != "" {
		return Finding{State: Note, Detail: "in a container" + within + " with the machine's PIDs"}
	}
	return Finding{State: OK, Detail: "none"}
}
