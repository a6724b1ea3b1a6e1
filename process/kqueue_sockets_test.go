package process

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"unsafe"

	"github.com/netpolltrace/netpolltrace/wait"
)

// The structures of the two systems, field by field as their headers have them:
// the Go compiler lays them out as theirs do.

// Families and types of sockets.
const (
	familyUnix         = 1
	familyInet         = 2
	familyInet6FreeBSD = 28
	familyInet6Darwin  = 30
	kindStream         = 1
	kindDatagram       = 2
)

// sockaddrStorage is struct sockaddr_storage of both.
type sockaddrStorage [128]byte

// kinfoFile is FreeBSD's struct kinfo_file, without its path.
type kinfoFile struct {
	structsize, kind, fd int32
	_, _, _              int32 // references, flags, padding
	_                    int64 // offset
	_                    int32 // vnode type
	domain, sockType     int32
	_                    int32 // protocol
	local, peer          sockaddrStorage
	_                    [16]int32
}

// socketFDInfo is the struct socket_fdinfo of macOS: struct proc_fileinfo and
// struct socket_info, of which the first part is struct vinfo_stat.
type socketFDInfo struct {
	_, _ uint32 // open flags, status
	_    int64  // offset
	_, _ int32  // type, guard flags

	_    uint32   // device
	_, _ uint16   // mode, links
	_    uint64   // inode
	_, _ uint32   // user, group
	_    [8]int64 // times
	_, _ int64    // size, blocks
	_    [4]uint32
	_    [2]int64

	_, _         uint64 // socket, protocol control block
	sockType     int32
	_            int32 // protocol
	family       int32
	options      int16
	_            [6]int16  // linger, state, queues, time-out
	_            uint16    // error
	_            uint32    // mark
	_, _         [6]uint32 // struct sockbuf_info, twice
	_            int32     // kind
	_            uint32
	foreignPort  int32 // struct in_sockinfo
	localPort    int32
	_            uint64 // generation
	_, _         uint32 // flags, flow
	versions     uint8
	_            uint8 // time to live
	_            uint32
	foreign      [16]byte
	localAddress [16]byte
	_            [464]byte
}

// bytesOf is a structure as the kernel writes it.
func bytesOf[T any](of *T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(of)), unsafe.Sizeof(*of))
}

// bsdAddress is a sockaddr of FreeBSD.
func bsdAddress(text string) (s sockaddrStorage) {
	if text == "" {
		return s
	}
	if text[0] == '/' {
		s[0], s[1] = byte(2+len(text)), familyUnix
		copy(s[2:], text)
		return s
	}
	a := netip.MustParseAddrPort(text)
	binary.BigEndian.PutUint16(s[2:], a.Port())
	if a.Addr().Is4() {
		s[0], s[1] = 16, familyInet
		copy(s[4:], a.Addr().AsSlice())
		return s
	}
	s[0], s[1] = 28, familyInet6FreeBSD
	copy(s[8:], a.Addr().AsSlice())
	return s
}

func TestSocketsOfFreeBSD(t *testing.T) {
	var list []byte
	add := func(fd, domain, kind int32, local, peer string) {
		f := kinfoFile{fd: fd, kind: 2, domain: domain, sockType: kind, local: bsdAddress(local), peer: bsdAddress(peer)}
		f.structsize = int32(unsafe.Sizeof(f))
		list = append(list, bytesOf(&f)...)
	}
	add(3, familyInet6FreeBSD, kindStream, "[::]:8080", "")
	add(5, familyInet6FreeBSD, kindStream, "[::1]:8080", "[::1]:50000")
	add(6, familyInet, kindStream, "10.0.0.1:41000", "10.0.0.2:5432")
	add(7, familyInet, kindDatagram, "10.0.0.1:41001", "10.0.0.2:53")
	add(8, familyInet, kindDatagram, "0.0.0.0:5353", "")
	add(9, familyUnix, kindStream, "/run/a.sock", "")
	add(10, familyUnix, kindStream, "/run/a.sock", "")
	add(11, familyUnix, kindStream, "", "/run/b.sock")
	list = append(list, 0, 0, 0, 0) // the end

	checkEndpoints(t, kinfoFiles(list), map[int32]wait.Endpoint{
		3:  {Proto: wait.ProtoTCP, Role: wait.RoleListening, Local: "[::]:8080"},
		5:  {Proto: wait.ProtoTCP, Role: wait.RoleAccepted, Local: "[::1]:8080", Peer: "[::1]:50000"},
		6:  {Proto: wait.ProtoTCP, Role: wait.RoleDialed, Local: "10.0.0.1:41000", Peer: "10.0.0.2:5432"},
		7:  {Proto: wait.ProtoUDP, Role: wait.RoleDialed, Local: "10.0.0.1:41001", Peer: "10.0.0.2:53"},
		8:  {Proto: wait.ProtoUDP, Local: "0.0.0.0:5353"},
		9:  {Proto: wait.ProtoUnix, Role: wait.RoleListening, Local: "/run/a.sock"},
		10: {Proto: wait.ProtoUnix, Role: wait.RoleListening, Local: "/run/a.sock"},
		11: {Proto: wait.ProtoUnix, Role: wait.RoleDialed, Peer: "/run/b.sock"},
	})
}

func TestDamagedListsOfFreeBSDAreReadAsFarAsTheyAreWhole(t *testing.T) {
	f := kinfoFile{fd: 3, kind: 2, domain: familyInet, sockType: kindStream, local: bsdAddress("10.0.0.1:80"), peer: bsdAddress("10.0.0.2:90")}
	f.structsize = int32(unsafe.Sizeof(f))
	whole := bytesOf(&f)
	for cut := range whole {
		if got := kinfoFiles(whole[:cut]); len(got) > 0 {
			t.Fatalf("of %d bytes it made %+v", cut, got)
		}
		two := append(append([]byte(nil), whole...), whole[:cut]...)
		if got := kinfoFiles(two); len(got) != 1 {
			t.Fatalf("of one structure and %d bytes it made %d sockets, want 1", cut, len(got))
		}
	}
}

func TestSocketsOfMacOS(t *testing.T) {
	port := func(n uint16) int32 { return int32(n>>8 | n<<8) } // in network order
	v6 := netip.MustParseAddr("2001:db8::1").As16()
	v4 := func(a, b, c, d byte) [16]byte { return [16]byte{12: a, 13: b, 14: c, 15: d} }
	unix := socketFDInfo{family: familyUnix, sockType: kindStream}
	const peerAt = 271 // behind two handles and the bound address, of SOCK_MAXADDRLEN bytes
	copy(bytesOf(&unix)[unsafe.Offsetof(unix.foreignPort)+peerAt:], "\x0d\x01/run/b.sock")
	sockets := map[int32]*socketFDInfo{
		3: {family: familyInet6Darwin, sockType: kindStream, options: 2, versions: 3, localPort: port(8080)},
		5: {family: familyInet6Darwin, sockType: kindStream, versions: 1, localPort: port(8080), foreignPort: port(50000),
			localAddress: v4(127, 0, 0, 1), foreign: v4(127, 0, 0, 1)},
		6: {family: familyInet6Darwin, sockType: kindStream, versions: 2, localPort: port(41000), foreignPort: port(443), localAddress: v6, foreign: v6},
		7: {family: familyInet, sockType: kindDatagram, versions: 1, localPort: port(41001), foreignPort: port(53),
			localAddress: v4(10, 0, 0, 1), foreign: v4(10, 0, 0, 2)},
		8: &unix,
		9: {family: 32, sockType: kindDatagram}, // PF_SYSTEM
	}
	if size := int(unsafe.Sizeof(unix)); size != darwinSocket.size {
		t.Fatalf("the structure has %d bytes, want %d", size, darwinSocket.size)
	}
	var all []wait.Descriptor
	for fd, info := range sockets {
		d, ok := darwinSocket.socket(fd, bytesOf(info))
		if !ok {
			t.Fatalf("fd %d was not read", fd)
		}
		all = append(all, d)
	}
	assignRoles(all)
	checkEndpoints(t, all, map[int32]wait.Endpoint{
		3: {Proto: wait.ProtoTCP, Role: wait.RoleListening, Local: "[::]:8080"},
		5: {Proto: wait.ProtoTCP, Role: wait.RoleAccepted, Local: "127.0.0.1:8080", Peer: "127.0.0.1:50000"},
		6: {Proto: wait.ProtoTCP, Role: wait.RoleDialed, Local: "[2001:db8::1]:41000", Peer: "[2001:db8::1]:443"},
		7: {Proto: wait.ProtoUDP, Role: wait.RoleDialed, Local: "10.0.0.1:41001", Peer: "10.0.0.2:53"},
		8: {Proto: wait.ProtoUnix, Role: wait.RoleDialed, Peer: "/run/b.sock"},
		9: {Proto: wait.ProtoSocket},
	})
	if _, ok := darwinSocket.socket(3, bytesOf(&unix)[:darwinSocket.size-1]); ok {
		t.Error("a description that was cut off was read")
	}
}

func checkEndpoints(t *testing.T, all []wait.Descriptor, want map[int32]wait.Endpoint) {
	t.Helper()
	if len(all) != len(want) {
		t.Errorf("there are %d descriptors, want %d", len(all), len(want))
	}
	for i := range all {
		got := all[i].Endpoint()
		expected := want[got.FD]
		expected.FD = got.FD
		if expected.Proto == wait.ProtoSocket {
			expected.Local = got.Local
		}
		if got != expected {
			t.Errorf("fd %d is %+v, want %+v", got.FD, got, expected)
		}
	}
}
