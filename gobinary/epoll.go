package gobinary

// EpollDecoding is a way in which the runtime keeps a pollDesc's address and a
// tag in epoll_event.data. See runtime/tagptr_64bit.go and netpoll_epoll.go.
type EpollDecoding struct {
	Shr, Shl   uint8 // address = data >> Shr << Shl
	SignExtend bool  // the right shift is arithmetic
	TagBits    uint8 // low bits that hold the tag: pollDesc.fdseq, truncated; 0 for none
}

// PollDesc is the address of the pollDesc that data belongs to.
func (d EpollDecoding) PollDesc(data uint64) uint64 {
	if d.SignExtend {
		return uint64(int64(data)>>d.Shr) << d.Shl
	}
	return data >> d.Shr << d.Shl
}

// EpollDecodings is every way known in which epoll_event.data holds a pollDesc,
// that of this version first. The one that agrees with the process (the
// pollDesc's fd is the event's) is right; patch releases have changed it.
func (b *Binary) EpollDecodings() []EpollDecoding {
	all := make([]EpollDecoding, 0, len(decodings))
	own := len(decodings) - 1
	for i := len(decodings) - 1; i >= 0; i-- {
		if d := decodings[i]; !b.version.before(d.minor, d.patch) {
			own = i
		}
	}
	for i := range decodings {
		d := decodings[(own+i)%len(decodings)].EpollDecoding
		d.SignExtend = b.arch.signExtend && d.Shr != 0
		all = append(all, d)
	}
	return all
}
