package process

import (
	"encoding/binary"
	"net/netip"

	"github.com/netpolltrace/netpolltrace/wait"
)

// What macOS and FreeBSD say of the sockets of a process, as bytes. It is read
// here, on every system, so that it can be tested on all; that the layouts are
// those of a running kernel was not tried.

// layout is where a socket's description is in what a system returns, in bytes.
// All numbers are in the byte order of amd64 and arm64.
type layout struct {
	system       string // GOOS
	size         int    // of the description, at least
	family, kind int    // int32: the address family, and SOCK_STREAM or SOCK_DGRAM
	// addresses reads the local address and the peer's.
	addresses func(b []byte, d *wait.Descriptor)
	// listens tells whether the socket accepts connections.
	listens func(b []byte, d *wait.Descriptor) bool
}

// darwinSocket is struct socket_fdinfo.
// https://github.com/apple-oss-distributions/xnu/blob/main/bsd/sys/proc_info.h
var darwinSocket = layout{
	system: "darwin", size: 792, kind: 176, family: 184,
	addresses: darwinAddresses,
	listens: func(b []byte, _ *wait.Descriptor) bool {
		const acceptsConnections = 0x2 // SO_ACCEPTCONN in soi_options
		return binary.LittleEndian.Uint16(b[188:])&acceptsConnections != 0
	},
}

// freebsdSocket is struct kinfo_file, whose end varies.
// https://github.com/freebsd/freebsd-src/blob/main/sys/sys/user.h
var freebsdSocket = layout{
	system: "freebsd", size: 304, family: 36, kind: 40,
	addresses: func(b []byte, d *wait.Descriptor) {
		d.Local, d.LocalName = wait.SocketAddress("freebsd", b[48:176])
		d.Peer, d.PeerName = wait.SocketAddress("freebsd", b[176:304])
	},
	// That a socket listens is not said. A stream that has an address and no peer
	// does, or was only just made.
	listens: func(_ []byte, d *wait.Descriptor) bool {
		bound := d.Local.Port() != 0 || d.LocalName != ""
		return bound && d.Peer.Port() == 0 && d.PeerName == "" && (d.Proto == wait.ProtoTCP || d.Proto == wait.ProtoUnix)
	},
}

// socket reads the description of one socket; ok is false where it is too short.
func (l *layout) socket(fd int32, b []byte) (d wait.Descriptor, ok bool) {
	d = wait.Descriptor{FD: fd, Proto: wait.ProtoSocket}
	if len(b) < l.size {
		return d, false
	}
	d.Proto = wait.SocketProto(l.system, binary.LittleEndian.Uint32(b[l.family:]), binary.LittleEndian.Uint32(b[l.kind:]))
	if d.Proto == wait.ProtoSocket {
		return d, true
	}
	l.addresses(b, &d)
	if l.listens(b, &d) {
		d.Role = wait.RoleListening
	}
	return d, true
}

// darwinAddresses reads struct in_sockinfo or struct un_sockinfo, whose
// addresses are no sockaddr for the internet.
func darwinAddresses(b []byte, d *wait.Descriptor) {
	const (
		proto          = 264 // soi_proto
		foreignPort    = proto + 0
		localPort      = proto + 4
		versions       = proto + 24 // insi_vflag
		version6       = 2
		foreign, local = proto + 32, proto + 48
		unixLocal      = proto + 16  // unsi_addr
		unixPeer       = proto + 271 // unsi_caddr
		unixSize       = 106         // of a sockaddr_un
	)
	if d.Proto == wait.ProtoUnix || d.Proto == wait.ProtoUnixgram {
		_, d.LocalName = wait.SocketAddress("darwin", b[unixLocal:unixLocal+unixSize])
		_, d.PeerName = wait.SocketAddress("darwin", b[unixPeer:unixPeer+unixSize])
		return
	}
	address := func(at, portAt int) netip.AddrPort {
		// The port is in network order, in an int.
		port := binary.BigEndian.Uint16(b[portAt:])
		if b[versions]&version6 == 0 {
			return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[at+12:at+16])), port)
		}
		return netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[at:at+16])), port)
	}
	d.Local, d.Peer = address(local, localPort), address(foreign, foreignPort)
}

// kinfoFiles reads what FreeBSD's sysctl kern.proc.filedesc returns: a struct
// kinfo_file for each descriptor, each with its own size.
func kinfoFiles(b []byte) []wait.Descriptor {
	const (
		head       = 12 // size, type, descriptor
		typeSocket = 2
		typePipe   = 3
	)
	var all []wait.Descriptor
	for len(b) >= head {
		size := int(binary.LittleEndian.Uint32(b))
		if size < head || size > len(b) {
			break // 0 ends the list
		}
		fd := int32(binary.LittleEndian.Uint32(b[8:]))
		switch kind := binary.LittleEndian.Uint32(b[4:]); {
		case fd < 0: // the working directory and the like
		case kind == typePipe:
			all = append(all, wait.Descriptor{FD: fd, Proto: wait.ProtoPipe})
		case kind == typeSocket:
			if d, ok := freebsdSocket.socket(fd, b[:size]); ok {
				all = append(all, d)
			}
		}
		b = b[size:]
	}
	assignRoles(all)
	return all
}

// assignRoles tells who made each connection: one to an address at which the
// process listens was accepted, any other was dialed.
func assignRoles(all []wait.Descriptor) {
	ports, names := make(map[uint16]bool), make(map[string]bool)
	for i := range all {
		if d := &all[i]; d.Role == wait.RoleListening {
			ports[d.Local.Port()], names[d.LocalName] = true, true
		}
	}
	for i := range all {
		d := &all[i]
		inet := d.Proto == wait.ProtoTCP || d.Proto == wait.ProtoUDP
		switch {
		case d.Role != "" || inet && d.Peer.Port() == 0:
		case inet && d.Local.Port() != 0 && ports[d.Local.Port()], d.LocalName != "" && names[d.LocalName]:
			d.Role = wait.RoleAccepted
		case inet || d.PeerName != "":
			d.Role = wait.RoleDialed
		}
	}
}
