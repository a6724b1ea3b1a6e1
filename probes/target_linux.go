package probes

import (
	"fmt"

	"github.com/netpolltrace/netpolltrace/bpf"
	"github.com/netpolltrace/netpolltrace/gobinary"
	"github.com/netpolltrace/netpolltrace/process"
	"github.com/netpolltrace/netpolltrace/wait"
)

// Target is the process to record: what is known of it before anything is
// attached.
type Target struct {
	Binary  *gobinary.Binary
	Process *process.Process
	Layout  *gobinary.Layout
	Places  *gobinary.Places
	Bias    uint64
	Reasons []string // by g.waitreason
	// Decoding is how the epoll set names its pollDescs.
	Decoding gobinary.EpollDecoding
}

// NewTarget gathers what the executable says. Its errors tell why the program
// cannot be recorded.
func NewTarget(binary *gobinary.Binary, proc *process.Process) (*Target, error) {
	t := &Target{Binary: binary, Process: proc}
	var err error
	if t.Layout, err = binary.Layout(); err != nil {
		return nil, err
	}
	if t.Places, err = binary.Places(); err != nil {
		return nil, err
	}
	if t.Bias, err = proc.Bias(binary); err != nil {
		return nil, err
	}
	if t.Reasons, err = binary.WaitReasons(); err != nil {
		return nil, err
	}
	decodings := binary.EpollDecodings()
	if len(decodings) == 0 {
		return nil, fmt.Errorf("%s: not known how %s marks descriptors in epoll; netpolltrace may be too old for it",
			proc.Name, binary.GoVersion)
	}
	t.Decoding = decodings[0]
	return t, nil
}

// config is what the kernel programs have to know of the target.
func (t *Target) config(plan *Plan, stacks bool) bpf.WaitsWaitConfig {
	l := t.Layout
	c := bpf.WaitsWaitConfig{
		G_m: l.G.M, G_goid: l.G.Goid, G_startpc: l.G.StartPC,
		G_reason: l.G.WaitReason, G_schedPc: l.G.SchedPC, G_schedBp: l.G.SchedBP,
		M_curg: l.M.CurG, M_p: l.M.P, M_waitlock: l.M.WaitLock,
		PdFd: l.PollDesc.FD, PdFdseq: l.PollDesc.FDSeq, PdInfo: l.PollDesc.AtomicInfo,
		PdRg: l.PollDesc.RG, PdWg: l.PollDesc.WG, PdSelf: l.PollDesc.Self,
		ResumeOld:    uint32(t.Places.IOResumeOld),
		EpollShr:     uint32(t.Decoding.Shr),
		EpollShl:     uint32(t.Decoding.Shl),
		EpollTagBits: uint32(t.Decoding.TagBits),
		Pid:          int32(t.Process.PID),
	}
	if t.Decoding.SignExtend {
		c.EpollSigned = 1
	}
	if stacks {
		c.Stacks = 1
	}
	if plan.Mode == wait.ModeIO {
		c.OnlyIo = 1
	}
	// netpollgoready hands on its traceskip plus one.
	if t.Places.NetpollGoready.Func == "runtime.netpollgoready" {
		c.TraceskipOff = 1
	}
	for _, h := range plan.hooks {
		if h.set != nil {
			h.set(&c)
		}
	}
	return c
}
