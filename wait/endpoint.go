package wait

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
)

// What descriptors are, as far as it is told apart: the texts of [Wait.Proto].
// Descriptors of the kernel's own kinds go by its names for them: eventfd,
// inotify, timerfd.
const (
	ProtoTCP      = "tcp"
	ProtoMPTCP    = "mptcp"
	ProtoUDP      = "udp"
	ProtoUnix     = "unix" // stream or seqpacket
	ProtoUnixgram = "unixgram"
	ProtoSocket   = "socket" // of another family: netlink, packet, vsock
	ProtoPipe     = "pipe"
	ProtoFile     = "file" // a terminal or another device; an unnamed one, if the source cannot tell
)

// Descriptor is what a source found out about a descriptor of a process.
type Descriptor struct {
	FD         int32
	Proto      string // empty when not known
	Role       Role
	Connecting bool // its connection is not established yet
	// Local and Peer are the addresses of a TCP or UDP socket. One that is not
	// valid, or a peer without a port, is none.
	Local, Peer netip.AddrPort
	// LocalName and PeerName are those of a unix socket, as UnixName has them.
	LocalName, PeerName string
	Inode               uint64 // of a pipe or a socket; 0 when not known
	Path                string // of a file, as the process sees it; empty when not known
}

// Endpoint is a descriptor as waits, and lists of who waits, name it.
type Endpoint struct {
	FD         int32 // -1 when not known
	Proto      string
	Role       Role
	Connecting bool // its connection is not established yet
	// Local and Peer are addresses as Go prints them: 127.0.0.1:80, [::1]:80,
	// the path of a unix socket, @name for an abstract one; pipe:[INODE] at both
	// ends of a pipe. Empty when there is none or it is not known.
	Local, Peer string
}

// Endpoint names what the descriptor is.
func (d *Descriptor) Endpoint() Endpoint {
	e := Endpoint{FD: d.FD, Proto: d.Proto, Role: d.Role, Connecting: d.Connecting}
	switch d.Proto {
	case ProtoTCP, ProtoMPTCP, ProtoUDP:
		e.Local = inetName(d.Local)
		if d.Peer.Port() != 0 {
			e.Peer = inetName(d.Peer)
		}
	case ProtoUnix, ProtoUnixgram:
		e.Local, e.Peer = d.LocalName, d.PeerName
	case ProtoPipe:
		e.Local = inodeName(d.Proto, d.Inode)
		e.Peer = e.Local
	case ProtoFile:
		e.Local, e.Peer = d.Path, d.Path
	default:
		e.Local = inodeName(d.Proto, d.Inode)
	}
	return e
}

// inetName is an address as Go prints it; an IPv4 address mapped into IPv6 is
// an IPv4 address.
func inetName(a netip.AddrPort) string {
	if !a.IsValid() {
		return ""
	}
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()).String()
}

// inodeName is the kernel's name for what has no other, as in /proc/PID/fd.
func inodeName(kind string, inode uint64) string {
	if kind == "" || inode == 0 {
		return ""
	}
	return fmt.Sprintf("%s:[%d]", kind, inode)
}

// UnixName is the name of a unix socket as net prints it, from what the kernel
// has as its sun_path: a path, which a NUL may end, or @name in the abstract
// namespace, where the name begins with a NUL. NULs that pad an abstract name
// are left out; others are printed as @, as in /proc/net/unix.
func UnixName(sunPath []byte) string {
	if len(sunPath) == 0 {
		return ""
	}
	if sunPath[0] == 0 {
		name := bytes.TrimRight(sunPath[1:], "\x00")
		return "@" + string(bytes.ReplaceAll(name, []byte{0}, []byte{'@'}))
	}
	path, _, _ := bytes.Cut(sunPath, []byte{0})
	return string(path)
}

// Op is what a goroutine wants of the endpoint that it waits for, to write or
// to read.
func (e *Endpoint) Op(write bool) Op {
	switch {
	case write && e.Connecting:
		return OpConnect
	case write:
		return OpWrite
	case e.Role == RoleListening:
		return OpAccept
	}
	return OpRead
}

// servesAnyone tells whether the endpoint is a datagram socket without a peer:
// it reads what anybody sends it, so that no reply is pending.
func (e *Endpoint) servesAnyone() bool {
	return e.Role == "" && (e.Proto == ProtoUDP || e.Proto == ProtoUnixgram)
}

func (e *Endpoint) fill(w *Wait) {
	w.FD, w.Proto, w.Role, w.Local, w.Peer = e.FD, e.Proto, e.Role, e.Local, e.Peer
}

// CutPort cuts the address of an [Endpoint] into its host, without brackets,
// and its port. ok is false for what has no port, such as the path of a unix
// socket; host is then the address.
func CutPort(address string) (host, port string, ok bool) {
	colon := strings.LastIndexByte(address, ':')
	if colon < 0 || address[0] == '/' || address[0] == '@' {
		return address, "", false
	}
	host, port = address[:colon], address[colon+1:]
	if port == "" || strings.Trim(port, "0123456789") != "" {
		return address, "", false
	}
	return strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"), port, true
}

// AppendClients names those who connect to a listening port, by the address of the
// process's end: their own ports say nothing, so all of them are one peer.
func AppendClients(b []byte, local string) []byte {
	b = append(b, "clients of "...)
	if _, port, ok := CutPort(local); ok {
		return append(append(b, ':'), port...)
	}
	return append(b, local...)
}
