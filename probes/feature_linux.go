package probes

import (
	"errors"
	"fmt"
	"maps"
	"sync"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/features"
	"github.com/cilium/ebpf/link"

	"github.com/netpolltrace/netpolltrace/internal/rights"
)

// Feature is one thing that a kernel can or cannot do. It is found out by
// doing it: what a version number or a configuration promises is not enough
// (arm64 kernels before 6.4 load fentry programs that they cannot attach).
type Feature struct {
	Name string
	// Since is the first kernel that has it everywhere, for messages. Older
	// kernels may have it, newer ones may be built without.
	Since string
	// Config is the kernel option that it depends on; empty for none.
	Config string
	// Rights are the capabilities that it takes besides rights.Kernel.
	Rights rights.Set

	probe func() error
}

// without says that nothing can be recorded without the feature, and what to do.
func (f Feature) without(err error) error {
	if rights.Refused(err) {
		return rights.Explain(err, rights.Kernel|f.Rights)
	}
	return fmt.Errorf("%w; Linux %s or newer has it: netpolltrace doctor tells more", err, f.Since)
}

// Features remembers which features this machine has. The zero value is ready
// to use, by several goroutines at a time; probing is done on demand, once for
// each feature.
type Features struct {
	mu      sync.Mutex
	results map[string]func() error
}

// Have is nil if the machine has the feature, and says why not otherwise.
func (f *Features) Have(feature Feature) error {
	return f.result(feature)()
}

// Without has what f has, but for some features: a recording does without them,
// as it would on a machine that lacks them.
func (f *Features) Without(refused ...Feature) *Features {
	f.mu.Lock()
	defer f.mu.Unlock()
	fewer := &Features{results: maps.Clone(f.results)}
	if fewer.results == nil {
		fewer.results = make(map[string]func() error)
	}
	for _, feature := range refused {
		err := fmt.Errorf("%s: excluded", feature.Name)
		fewer.results[feature.Name] = func() error { return err }
	}
	return fewer
}

func (f *Features) result(feature Feature) func() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if result, known := f.results[feature.Name]; known {
		return result
	}
	if f.results == nil {
		f.results = make(map[string]func() error)
	}
	result := sync.OnceValue(func() error {
		if err := feature.probe(); err != nil {
			return fmt.Errorf("%s: %w", feature.Name, err)
		}
		return nil
	})
	f.results[feature.Name] = result
	return result
}

// The features that every recording needs.
var (
	featureRingBuffer = Feature{
		Name: "BPF ring buffer", Since: "5.8",
		probe: func() error { return features.HaveMapType(ebpf.RingBuf) },
	}
	featureTaskFiles = Feature{
		Name: "BPF iterator over open files", Since: "5.8",
		probe: probeTaskFiles,
	}
	// Some kernels (5.10) let CAP_PERFMON do, others (6.1, 6.12) do not.
	featureUprobe = Feature{
		Name: "uprobe", Since: "4.1", Config: "CONFIG_UPROBE_EVENTS", Rights: rights.SysAdmin,
		probe: func() error { return probeUprobe(attachUprobePerf, ebpf.AttachNone) },
	}
	featureUprobeMulti = Feature{
		Name: "uprobe_multi with PID filter", Since: "6.10", Config: "CONFIG_UPROBE_EVENTS",
		probe: func() error { return probeUprobe(attachUprobeMulti, ebpf.AttachTraceUprobeMulti) },
	}
)

// featureCookie lets a uprobe's program know which process it was attached to,
// at no price. uprobe_multi came with it.
var featureCookie = Feature{
	Name: "cookies of uprobes", Since: "5.15",
	probe: func() error { return features.HaveProgramHelper(ebpf.Kprobe, asm.FnGetAttachCookie) },
}

// needed are the features without which nothing can be recorded; uprobes of
// one sort or the other come to them.
var needed = []Feature{featureRingBuffer, featureTaskFiles}

func rawTracepoint(name, since string) Feature {
	return Feature{Name: "tracepoint " + name, Since: since, probe: func() error {
		return probeProgram(&ebpf.ProgramSpec{Type: ebpf.RawTracepoint}, func(p *ebpf.Program) (link.Link, error) {
			return attachRawTracepoint(name)(p)
		})
	}}
}

// typedTracepoint is a raw tracepoint whose arguments the kernel knows the types
// of, so that a program reads them without a helper.
func typedTracepoint(name, since string) Feature {
	return Feature{Name: "typed tracepoint " + name, Since: since, probe: func() error {
		spec := &ebpf.ProgramSpec{Type: ebpf.Tracing, AttachType: ebpf.AttachTraceRawTp, AttachTo: name}
		return probeProgram(spec, attachTracing)
	}}
}

func kprobe(symbol string) Feature {
	return Feature{Name: "kprobe " + symbol, Since: "5.10", Config: "CONFIG_KPROBES", probe: func() error {
		return probeProgram(&ebpf.ProgramSpec{Type: ebpf.Kprobe}, attachKprobe(symbol))
	}}
}

// kretprobe is the feature of return probes for many threads at a time, which
// are made through tracefs: its files belong to root.
func kretprobe(symbol string) Feature {
	return Feature{Name: "kretprobe " + symbol, Since: "5.10", Config: "CONFIG_KPROBES", Rights: rights.DACOverride,
		probe: func() error {
			return probeProgram(&ebpf.ProgramSpec{Type: ebpf.Kprobe}, attachKretprobe(symbol))
		}}
}

func fentry(symbol string) Feature {
	return tracing("fentry ", symbol, ebpf.AttachTraceFEntry)
}

func fexit(symbol string) Feature {
	return tracing("fexit ", symbol, ebpf.AttachTraceFExit)
}

func tracing(name, symbol string, attach ebpf.AttachType) Feature {
	return Feature{Name: name + symbol, Since: "5.10 (arm64: 6.4)", Config: "CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS",
		probe: func() error {
			spec := &ebpf.ProgramSpec{Type: ebpf.Tracing, AttachType: attach, AttachTo: symbol}
			return probeProgram(spec, attachTracing)
		}}
}

// probeProgram loads a program that does nothing, and attaches it.
func probeProgram(spec *ebpf.ProgramSpec, attach attachFunc) error {
	program, err := emptyProgram(spec)
	if err != nil {
		return err
	}
	defer program.Close()
	attached, err := attach(program)
	if err != nil {
		return firstCause(err)
	}
	return attached.Close()
}

func probeTaskFiles() error {
	spec := &ebpf.ProgramSpec{Type: ebpf.Tracing, AttachType: ebpf.AttachTraceIter, AttachTo: "task_file"}
	return probeProgram(spec, func(p *ebpf.Program) (link.Link, error) {
		return link.AttachIter(link.IterOptions{Program: p})
	})
}

// firstCause shortens a verifier's complaint to its first line; %+v of the
// original would print all of it.
func firstCause(err error) error {
	if verifier, ok := errors.AsType[*ebpf.VerifierError](err); ok {
		return verifier.Cause
	}
	return err
}
