package probes

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/rlimit"

	"github.com/netpolltrace/netpolltrace/bpf"
	"github.com/netpolltrace/netpolltrace/internal/rights"
	"github.com/netpolltrace/netpolltrace/wait"
)

// Backend is a way to hook the kernel.
type Backend string

// The backends. An empty Backend leaves the choice open.
const (
	BackendKprobe     Backend = "kprobe"
	BackendFentry     Backend = "fentry"
	BackendTracepoint Backend = "tracepoint"
)

// Backends are those that can be asked for.
var Backends = []Backend{BackendKprobe, BackendFentry, BackendTracepoint}

// hook is one way to see something in the kernel.
type hook struct {
	name     string
	backend  Backend
	feature  Feature
	programs []hookProgram
	// limitation says what the hook does not see of what is needed; empty for
	// nothing.
	limitation string
	// sends is what the programs learn of sends by this hook.
	sends bpf.WaitsSends
	// byEpoll tells that every edge of readiness of every descriptor is seen.
	byEpoll bool
}

type hookProgram struct {
	name   string
	attach attachFunc
}

// need is something that has to be seen in the kernel, and the hooks that show
// it, the cheapest first.
type need struct {
	name  string
	part  wait.Part // what is not measured without it: a key of wait.Meta.Unmeasured
	lacks string    // how a report says so
	hooks []hook
}

var needs = []need{
	{
		name: "returns of epoll_wait", part: wait.PartNetpoll,
		lacks: "no hook on epoll_wait: when the runtime learned of an event was not seen",
		hooks: []hook{
			{name: "fexit do_epoll_wait", backend: BackendFentry, feature: fexit("do_epoll_wait"),
				programs: []hookProgram{{bpf.WaitsProgPollFexit, attachTracing}}},
			{name: "kprobe and kretprobe do_epoll_wait", backend: BackendKprobe, feature: kretprobe("do_epoll_wait"),
				programs: []hookProgram{
					{bpf.WaitsProgPollKprobe, attachKprobe("do_epoll_wait")},
					{bpf.WaitsProgPollKretprobe, attachKretprobe("do_epoll_wait")},
				}},
			{name: "tracepoint sys_exit", backend: BackendTracepoint, feature: typedTracepoint("sys_exit", "5.5"),
				programs: []hookProgram{{bpf.WaitsProgPollSysExit, attachTracing}}},
		},
	},
	{
		name: "readiness of descriptors", part: wait.PartNetwork,
		lacks: "no hook on readiness: when the kernel had the data was not seen",
		hooks: []hook{
			{name: "fentry ep_poll_callback", backend: BackendFentry, feature: fentry("ep_poll_callback"),
				programs: []hookProgram{{bpf.WaitsProgReadyFentry, attachTracing}}, byEpoll: true},
			{name: "kprobe ep_poll_callback", backend: BackendKprobe, feature: kprobe("ep_poll_callback"),
				programs: []hookProgram{{bpf.WaitsProgReadyKprobe, attachKprobe("ep_poll_callback")}}, byEpoll: true},
			{name: "tracepoints sk_data_ready and inet_sock_set_state (sockets: reads, accepts, connects)",
				backend: BackendTracepoint, feature: rawTracepoint("sk_data_ready", "6.5"),
				limitation: "of pipes and of full send buffers only kprobes and fentry show the readiness, and this machine has neither",
				programs: []hookProgram{
					{bpf.WaitsProgReadySocket, attachRawTracepoint("sk_data_ready")},
					{bpf.WaitsProgReadyState, attachRawTracepoint("inet_sock_set_state")},
				}},
		},
	},
	{
		name: "sends on TCP sockets", part: wait.PartIdle,
		lacks: "no hook on sends: since when a reply was pending was not seen",
		hooks: []hook{
			{name: "tracepoint tcp_sendmsg_locked", backend: BackendTracepoint, feature: rawTracepoint("tcp_sendmsg_locked", "6.16"),
				programs: []hookProgram{{bpf.WaitsProgSendTcpTracepoint, attachRawTracepoint("tcp_sendmsg_locked")}}, sends: bpf.WaitsSendsSENDS_TCP},
			{name: "fentry tcp_sendmsg", backend: BackendFentry, feature: fentry("tcp_sendmsg"),
				programs: []hookProgram{{bpf.WaitsProgSendTcpFentry, attachTracing}}, sends: bpf.WaitsSendsSENDS_TCP},
			{name: "kprobe tcp_sendmsg", backend: BackendKprobe, feature: kprobe("tcp_sendmsg"),
				programs: []hookProgram{{bpf.WaitsProgSendTcpKprobe, attachKprobe("tcp_sendmsg")}}, sends: bpf.WaitsSendsSENDS_TCP},
		},
	},
	{
		name: "sends on other sockets", part: wait.PartIdleOther,
		lacks: "no hook on sends of sockets other than TCP",
		hooks: []hook{
			{name: "tracepoint sock_send_length", feature: typedTracepoint("sock_send_length", "6.4"),
				programs: []hookProgram{{bpf.WaitsProgSendOtherTracepoint, attachTracing}}, sends: bpf.WaitsSendsSENDS_OTHER},
		},
	},
}

// Plan is what a recording on this machine will hook, and why.
type Plan struct {
	Mode wait.Mode // in which processes are recorded, unless they are given another
	// Lines says what was chosen, a line each, for doctor and the recording.
	Lines []string
	// Unmeasured says by part what will be missing, and why.
	Unmeasured map[wait.Part]string

	hooks   []hook
	uprobe  uprobeAttach
	multi   bool
	cookies bool // uprobes have them
}

// Choose makes the plan for a mode. A backend, where one is given, is used
// alone: what it cannot show is not measured. It fails only where nothing can
// be recorded at all.
func Choose(f *Features, mode wait.Mode, backend Backend) (*Plan, error) {
	chosen, err := modeOf(mode)
	if err != nil {
		return nil, err
	}
	if backend != "" && !slices.Contains(Backends, backend) {
		return nil, fmt.Errorf("there is no backend %q: choose one of %v", backend, Backends)
	}
	if err := removeMemlock(); err != nil {
		return nil, err
	}
	f.probeAll()
	plan := &Plan{Mode: chosen.name, Unmeasured: make(map[wait.Part]string)}
	for _, feature := range needed {
		if err := f.Have(feature); err != nil {
			return nil, feature.without(err)
		}
	}
	if err := plan.chooseUprobe(f); err != nil {
		return nil, err
	}
	for _, n := range chosen.needs {
		plan.chooseHook(f, n, backend)
	}
	return plan, nil
}

// removeMemlock lifts the limit under which older kernels count BPF maps. Only
// where that is allowed can it be told whether the kernel is such a one.
func removeMemlock() error {
	err := rlimit.RemoveMemlock()
	if err == nil {
		return nil
	}
	held, heldErr := rights.Held()
	if heldErr != nil || held.Lacks(rights.Kernel) != 0 {
		return errors.Join(rights.Explain(err, rights.Kernel), heldErr)
	}
	return fmt.Errorf("raising the limit of locked memory: %w; Linux before 5.11 counts BPF maps there: %s, or run ulimit -l unlimited as root first",
		rights.Cause(err), rights.SysResource.Grant())
}

// probeAll finds out about what a plan is likely to ask for, all at a time: the
// kernel takes its time to detach a probe.
func (f *Features) probeAll() {
	wanted := append([]Feature{featureUprobeMulti, featureCookie}, needed...)
	for _, n := range needs {
		wanted = append(wanted, n.hooks[0].feature)
	}
	var group sync.WaitGroup
	for _, feature := range wanted {
		group.Go(func() { _ = f.Have(feature) })
	}
	group.Wait()
}

func (plan *Plan) chooseUprobe(f *Features) error {
	plan.cookies = f.Have(featureCookie) == nil
	multi := f.Have(featureUprobeMulti)
	if multi == nil {
		plan.uprobe, plan.multi = attachUprobeMulti, true
		plan.Lines = append(plan.Lines, "uprobes: uprobe_multi")
		return nil
	}
	if err := f.Have(featureUprobe); err != nil {
		return featureUprobe.without(err)
	}
	plan.uprobe = attachUprobePerf
	plan.Lines = append(plan.Lines, fmt.Sprintf("uprobes: perf events (%v)", multi))
	return nil
}

func (plan *Plan) chooseHook(f *Features, n need, backend Backend) {
	var refused []string
	for _, h := range n.hooks {
		if backend != "" && h.backend != "" && h.backend != backend {
			refused = append(refused, fmt.Sprintf("%s: not asked for", h.name))
			continue
		}
		if err := f.Have(h.feature); err != nil {
			refused = append(refused, err.Error())
			continue
		}
		plan.hooks = append(plan.hooks, h)
		if h.limitation != "" {
			plan.Unmeasured[n.part] = h.limitation
		}
		plan.Lines = append(plan.Lines, n.name+": "+h.name)
		return
	}
	plan.Unmeasured[n.part] = n.lacks
	plan.Lines = append(plan.Lines, n.name+": none ("+strings.Join(refused, "; ")+")")
}

// byEpoll tells whether every edge of readiness is seen.
func (plan *Plan) byEpoll() bool {
	return slices.ContainsFunc(plan.hooks, func(h hook) bool { return h.byEpoll })
}

// sends is what is seen of sends.
func (plan *Plan) sends() (seen bpf.WaitsSends) {
	for _, h := range plan.hooks {
		seen |= h.sends
	}
	return seen
}

// tracksSends tells whether sends on descriptors of that kind are seen.
func (plan *Plan) tracksSends(kind bpf.WaitsFdKind) bool {
	if kind == bpf.WaitsFdKindFD_TCP {
		return plan.sends()&bpf.WaitsSendsSENDS_TCP != 0
	}
	return plan.sends()&bpf.WaitsSendsSENDS_OTHER != 0
}

// attachUprobe puts a program on a place of a process's executable. The cookie
// is not told where the kernel has none.
func (plan *Plan) attachUprobe(exe *link.Executable, p *ebpf.Program, at uprobeAt) (link.Link, error) {
	if !plan.cookies {
		at.cookie = 0
	}
	return plan.uprobe(exe, p, at)
}

// hookPrograms are the names of the plan's programs in the kernel.
func (plan *Plan) hookPrograms() []string {
	var names []string
	for _, h := range plan.hooks {
		for _, p := range h.programs {
			names = append(names, p.name)
		}
	}
	return names
}

// trim leaves in the specification only the programs that are used here.
func (plan *Plan) trim(spec *ebpf.CollectionSpec) {
	wanted := slices.Concat(plan.hookPrograms(), uprobePrograms(), []string{bpf.WaitsProgFindTarget})
	for _, h := range followHooks {
		wanted = append(wanted, h.name)
	}
	for name := range spec.Programs {
		if !slices.Contains(wanted, name) {
			delete(spec.Programs, name)
		}
	}
	if !plan.multi {
		return
	}
	for _, name := range uprobePrograms() {
		spec.Programs[name].AttachType = ebpf.AttachTraceUprobeMulti
	}
}
