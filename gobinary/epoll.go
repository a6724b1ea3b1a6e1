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

// Tag is the generation of the descriptor that data was registered for.
func (d EpollDecoding) Tag(data uint64) uint64 {
	return data & (1<<d.TagBits - 1)
}
