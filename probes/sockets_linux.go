package probes

import (
	"fmt"
	"net/netip"

	"github.com/netpolltrace/netpolltrace/bpf"
	"github.com/netpolltrace/netpolltrace/wait"
)

// descriptor is what a wait says of its descriptor.
type descriptor struct {
	fd    int32
	kind  bpf.WaitsFdKind
	proto string
	role  wait.Role
	local string
	peer  string
}

// descriptorKey names the descriptor that a pollDesc served for a while:
// pollDescs are used again, and the kernel side counts how often.
type descriptorKey struct {
	pd  uint64
	gen uint32
}

// descriptors remembers what the kernel side said of each pollDesc. Only the
// last few generations are kept: a wait names the one that it began with.
type descriptors struct {
	byKey   map[descriptorKey]*descriptor
	unknown *descriptor
}

// generationsKept is how many descriptors of one pollDesc are remembered. The
// record of a wait may come a little after that of its pollDesc's next use.
const generationsKept = 4

func newDescriptors() *descriptors {
	return &descriptors{
		byKey:   make(map[descriptorKey]*descriptor),
		unknown: &descriptor{fd: -1},
	}
}

func (d *descriptors) add(r *bpf.WaitsSocketRecord) {
	delete(d.byKey, descriptorKey{r.Pd, r.Gen - generationsKept})
	d.byKey[descriptorKey{r.Pd, r.Gen}] = describe(r)
}

func (d *descriptors) get(pd uint64, gen uint32) *descriptor {
	if known := d.byKey[descriptorKey{pd, gen}]; known != nil {
		return known
	}
	return d.unknown
}

var protoOf = map[bpf.WaitsFdKind]string{
	bpf.WaitsFdKindFD_TCP:          "tcp",
	bpf.WaitsFdKindFD_MPTCP:        "mptcp",
	bpf.WaitsFdKindFD_UDP:          "udp",
	bpf.WaitsFdKindFD_UNIX:         "unix",
	bpf.WaitsFdKindFD_UNIXGRAM:     "unixgram",
	bpf.WaitsFdKindFD_OTHER_SOCKET: "socket",
	bpf.WaitsFdKindFD_PIPE:         "pipe",
	bpf.WaitsFdKindFD_FILE:         "file",
}

var roleOf = map[bpf.WaitsFdRole]wait.Role{
	bpf.WaitsFdRoleROLE_DIALED:    wait.RoleDialed,
	bpf.WaitsFdRoleROLE_ACCEPTED:  wait.RoleAccepted,
	bpf.WaitsFdRoleROLE_LISTENING: wait.RoleListening,
}

func describe(r *bpf.WaitsSocketRecord) *descriptor {
	kind := bpf.WaitsFdKind(r.Kind)
	d := &descriptor{fd: r.Fd, kind: kind, proto: protoOf[kind], role: roleOf[bpf.WaitsFdRole(r.Role)]}
	switch kind {
	case bpf.WaitsFdKindFD_TCP, bpf.WaitsFdKindFD_MPTCP, bpf.WaitsFdKindFD_UDP:
		d.local = inetAddress(r.Local, r.LocalPort, r.Ipv6 != 0)
		if r.PeerPort != 0 {
			d.peer = inetAddress(r.Peer, r.PeerPort, r.Ipv6 != 0)
		}
	case bpf.WaitsFdKindFD_UNIX, bpf.WaitsFdKindFD_UNIXGRAM:
		d.local = unixAddress(r.LocalName[:], r.LocalNameLen)
		d.peer = unixAddress(r.PeerName[:], r.PeerNameLen)
	case bpf.WaitsFdKindFD_PIPE:
		d.local = fmt.Sprintf("pipe:[%d]", r.Inode)
	}
	return d
}

func inetAddress(bytes [16]uint8, port uint16, ipv6 bool) string {
	address := netip.AddrFrom16(bytes).Unmap()
	if !ipv6 {
		address = netip.AddrFrom4([4]byte(bytes[:4]))
	}
	return netip.AddrPortFrom(address, port).String()
}

// unixAddress is a socket's name as net prints it: a path, or @name in the
// abstract namespace.
func unixAddress(name []uint8, length uint8) string {
	name = name[:min(int(length), len(name))]
	if len(name) == 0 {
		return ""
	}
	if name[0] == 0 {
		return "@" + string(name[1:])
	}
	for i, c := range name {
		if c == 0 {
			return string(name[:i])
		}
	}
	return string(name)
}
