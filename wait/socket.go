package wait

import (
	"encoding/binary"
	"net/netip"
)

// Families and types of sockets; that of IPv6 is another number on each system,
// by GOOS. See sys/socket.h.
const (
	familyUnix = 1
	familyInet = 2

	typeStream   = 1
	typeDatagram = 2
	typeMask     = 0xf // flags come above
)

var familyInet6 = map[string]uint32{"linux": 10, "freebsd": 28, "darwin": 30}

// SocketProto is what a socket is that socket(2) makes of a family and a type, on a
// system by its GOOS: the Proto of a [Descriptor].
func SocketProto(system string, family, kind uint32) string {
	inet := family == familyInet || family == familyInet6[system]
	switch kind &= typeMask; {
	case inet && kind == typeStream:
		return ProtoTCP
	case inet && kind == typeDatagram:
		return ProtoUDP
	case family == familyUnix && kind == typeDatagram:
		return ProtoUnixgram
	case family == familyUnix:
		return ProtoUnix
	}
	return ProtoSocket
}

// SocketAddress reads a sockaddr of a system: an address of the internet, or the
// name of a unix socket. Both are zero where it is neither, or is cut off.
func SocketAddress(system string, b []byte) (netip.AddrPort, string) {
	const inetSize, inet6Size = 8, 24
	if len(b) < inetSize {
		return netip.AddrPort{}, ""
	}
	family, name := uint32(b[0]), b[pathAt:]
	if system != "linux" {
		family, name = uint32(b[1]), pathOfBSD(b)
	}
	port := binary.BigEndian.Uint16(b[2:])
	switch {
	case family == familyInet:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[4:8])), port), ""
	case family == familyInet6[system] && len(b) >= inet6Size:
		return netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[8:24])), port), ""
	case family == familyUnix:
		return netip.AddrPort{}, UnixName(name)
	}
	return netip.AddrPort{}, ""
}

// pathAt is where the path of a unix socket begins in a sockaddr.
const pathAt = 2

// pathOfBSD is the path of a unix socket in a sockaddr of BSD's descent, which begins
// with its size. There are no abstract names.
func pathOfBSD(b []byte) []byte {
	size := int(b[0])
	if size <= pathAt || size > len(b) || b[pathAt] == 0 {
		return nil
	}
	return b[pathAt:size]
}
