package probes

import (
	"net/netip"

	"github.com/netpolltrace/netpolltrace/bpf"
	"github.com/netpolltrace/netpolltrace/wait"
)

// descriptorKey names the descriptor that a pollDesc served for a while:
// pollDescs are used again, and the kernel side counts how often.
type descriptorKey struct {
	pd  uint64
	gen uint32
}

// descriptors remembers what the kernel side said of each pollDesc. Only the
// last few generations are kept: a wait names the one that it began with.
type descriptors struct {
	byKey   map[descriptorKey]*wait.Endpoint
	unknown *wait.Endpoint
}

// generationsKept is how many descriptors of one pollDesc are remembered. The
// record of a wait may come a little after that of its pollDesc's next use.
const generationsKept = 4

func newDescriptors() *descriptors {
	return &descriptors{
		byKey:   make(map[descriptorKey]*wait.Endpoint),
		unknown: &wait.Endpoint{FD: -1},
	}
}

func (d *descriptors) add(r *bpf.WaitsSocketRecord) {
	delete(d.byKey, descriptorKey{r.Pd, r.Gen - generationsKept})
	endpoint := describe(r).Endpoint()
	d.byKey[descriptorKey{r.Pd, r.Gen}] = &endpoint
}

// get is nil for a wait without a pollDesc.
func (d *descriptors) get(pd uint64, gen uint32) *wait.Endpoint {
	if pd == 0 {
		return nil
	}
	if known := d.byKey[descriptorKey{pd, gen}]; known != nil {
		return known
	}
	return d.unknown
}

var protoOf = map[bpf.WaitsFdKind]string{
	bpf.WaitsFdKindFD_TCP:          wait.ProtoTCP,
	bpf.WaitsFdKindFD_MPTCP:        wait.ProtoMPTCP,
	bpf.WaitsFdKindFD_UDP:          wait.ProtoUDP,
	bpf.WaitsFdKindFD_UNIX:         wait.ProtoUnix,
	bpf.WaitsFdKindFD_UNIXGRAM:     wait.ProtoUnixgram,
	bpf.WaitsFdKindFD_OTHER_SOCKET: wait.ProtoSocket,
	bpf.WaitsFdKindFD_PIPE:         wait.ProtoPipe,
	bpf.WaitsFdKindFD_FILE:         wait.ProtoFile,
}

var roleOf = map[bpf.WaitsFdRole]wait.Role{
	bpf.WaitsFdRoleROLE_DIALED:    wait.RoleDialed,
	bpf.WaitsFdRoleROLE_ACCEPTED:  wait.RoleAccepted,
	bpf.WaitsFdRoleROLE_LISTENING: wait.RoleListening,
}

// describe is what a record says of a descriptor.
func describe(r *bpf.WaitsSocketRecord) *wait.Descriptor {
	return &wait.Descriptor{
		FD:        r.Fd,
		Proto:     protoOf[bpf.WaitsFdKind(r.Kind)],
		Role:      roleOf[bpf.WaitsFdRole(r.Role)],
		Local:     inetAddress(r.Local, r.LocalPort, r.Ipv6 != 0),
		Peer:      inetAddress(r.Peer, r.PeerPort, r.Ipv6 != 0),
		LocalName: unixName(r.LocalName[:], r.LocalNameLen),
		PeerName:  unixName(r.PeerName[:], r.PeerNameLen),
		Inode:     r.Inode,
	}
}

func inetAddress(bytes [16]uint8, port uint16, ipv6 bool) netip.AddrPort {
	address := netip.AddrFrom16(bytes)
	if !ipv6 {
		address = netip.AddrFrom4([4]byte(bytes[:4]))
	}
	return netip.AddrPortFrom(address, port)
}

func unixName(name []uint8, length uint8) string {
	return wait.UnixName(name[:min(int(length), len(name))])
}
