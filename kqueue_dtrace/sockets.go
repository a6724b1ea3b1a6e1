package dtrace

import (
	"encoding/binary"
	"net/netip"

	"github.com/netpolltrace/netpolltrace/wait"
)

// sockets is what the program's descriptors are, as its system calls tell.
type sockets struct {
	system string // GOOS
	byFD   map[int32]*socket
}

// socket is one descriptor.
type socket struct {
	wait.Descriptor
	// pending is since when a reply has been pending, in the clock of records; 0
	// if none is. It means something only if tracked is set: the descriptor was
	// seen from its start, or a receive of it was.
	pending int64
	tracked bool
}

// get finds a descriptor, or begins to know of it.
func (s *sockets) get(fd int32) *socket {
	d := s.byFD[fd]
	if d == nil {
		d = &socket{Descriptor: wait.Descriptor{FD: fd}}
		s.byFD[fd] = d
	}
	return d
}

// know takes descriptors that are older than the recording.
func (s *sockets) know(all []wait.Descriptor) {
	for _, d := range all {
		s.byFD[d.FD] = &socket{Descriptor: d}
	}
}

// What happens to a descriptor, as records of kind D call it.
const (
	socketMade       = "s" // family, type
	socketConnects   = "c" // the peer's address
	socketAccepted   = "a" // the peer's address
	socketListens    = "l"
	descriptorCloses = "x"
)

// happened takes a record of kind D.
func (s *sockets) happened(what string, fd int32, words [4]uint64) {
	if fd < 0 {
		return
	}
	switch what {
	case socketMade:
		s.byFD[fd] = &socket{Descriptor: wait.Descriptor{FD: fd, Proto: wait.SocketProto(s.system, uint32(words[0]), uint32(words[1]))}, tracked: true}
	case socketConnects:
		d := s.get(fd)
		d.Role, d.Connecting = wait.RoleDialed, d.Proto != wait.ProtoUDP && d.Proto != wait.ProtoUnixgram
		d.Peer = s.address(words)
	case socketAccepted:
		d := &socket{Descriptor: wait.Descriptor{FD: fd, Role: wait.RoleAccepted, Peer: s.address(words)}, tracked: true}
		d.Proto = wait.ProtoUnix
		if d.Peer.IsValid() {
			d.Proto = wait.ProtoTCP
		}
		s.byFD[fd] = d
	case socketListens:
		s.get(fd).Role = wait.RoleListening
	case descriptorCloses:
		delete(s.byFD, fd)
	}
}

// sent and received take records of kinds O and Q. A reply is pending from the
// first send after the last receive.
func (s *sockets) sent(fd int32, at int64) {
	if d := s.byFD[fd]; d != nil {
		d.Connecting = false
		if d.pending == 0 {
			d.pending = at
		}
	}
}

func (s *sockets) received(fd int32) {
	if d := s.byFD[fd]; d != nil {
		d.Connecting, d.pending, d.tracked = false, 0, true
	}
}

// address reads the start of a sockaddr; that of a unix socket is longer than
// what was recorded, and is none.
func (s *sockets) address(words [4]uint64) netip.AddrPort {
	var b []byte
	for _, w := range words {
		b = binary.LittleEndian.AppendUint64(b, w)
	}
	address, _ := wait.SocketAddress(s.system, b)
	return address
}
