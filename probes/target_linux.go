package probes

import (
	"fmt"

	"github.com/netpolltrace/netpolltrace/bpf"
	"github.com/netpolltrace/netpolltrace/gobinary"
	"github.com/netpolltrace/netpolltrace/process"
)

// Target is a process to record: what is known of it before anything is
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
		return nil, fmt.Errorf("%s: how %s marks descriptors in epoll is not known; use a newer netpolltrace",
			proc.Name, binary.GoVersion)
	}
	t.Decoding = decodings[0]
	return t, nil
}

// config is what the kernel programs have to know of the target, which has a
// number. epfd is the address of runtime.epfd in the process, 0 if that is not
// known; byEpoll tells whether they see each edge of readiness.
func (t *Target) config(number uint32, m *mode, epfd uint64, byEpoll bool) bpf.WaitsWaitConfig {
	l := t.Layout
	return bpf.WaitsWaitConfig{
		Process: number, Epfd: epfd,
		G_m: l.G.M, G_goid: l.G.Goid, G_startpc: l.G.StartPC,
		G_gopc: l.G.GoPC, G_parentGoid: l.G.ParentGoid,
		G_reason: l.G.WaitReason, G_status: l.G.AtomicStatus, G_schedPc: l.G.SchedPC, G_schedSp: l.G.SchedSP, G_schedBp: l.G.SchedBP,
		M_curg: l.M.CurG, M_p: l.M.P, M_waitlock: l.M.WaitLock,
		PdFd: l.PollDesc.FD, PdFdseq: l.PollDesc.FDSeq, PdInfo: l.PollDesc.AtomicInfo,
		PdRg: l.PollDesc.RG, PdWg: l.PollDesc.WG, PdSelf: l.PollDesc.Self,
		ResumeOld:        uint32(t.Places.IOResumeOld),
		EpollShr:         uint32(t.Decoding.Shr),
		EpollShl:         uint32(t.Decoding.Shl),
		EpollTagBits:     uint32(t.Decoding.TagBits),
		EpollSigned:      uint32(flag(t.Decoding.SignExtend)),
		Mode:             uint8(m.number),
		ReadinessByEpoll: flag(byEpoll),
		// netpollgoready hands on its traceskip plus one.
		TraceskipOff: flag(t.Places.NetpollGoready.Func == "runtime.netpollgoready"),
	}
}

// epfd is the address of runtime.epfd in the process; 0 if it is not known.
func (t *Target) epfd() uint64 {
	if link := t.Binary.Globals().EpFD; link != 0 {
		return link + t.Bias
	}
	return 0
}
