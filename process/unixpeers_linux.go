package process

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/netpolltrace/netpolltrace/wait"
)

// unixSocket is what the kernel tells of a unix socket by sock_diag(7), and
// does not print in /proc/net/unix: who is at the other end.
type unixSocket struct {
	name string // path, or @name
	peer uint32 // inode of the other end; 0 for none
}

// addUnixPeers tells the peers of the table's unix sockets, as far as they
// have a name. Where the kernel does not tell, or not to us, the table stays
// as it is: it lacks addresses then, and says nothing wrong.
func (p *Process) addUnixPeers(table SocketTable) {
	wanted := false
	for _, s := range table {
		wanted = wanted || isUnix(s) && s.Role == wait.RoleDialed
	}
	if !wanted {
		return
	}
	sockets, err := p.unixSockets()
	if err != nil {
		return
	}
	for inode, s := range table {
		if isUnix(s) {
			s.PeerName = sockets[sockets[uint32(inode)].peer].name
			table[inode] = s
		}
	}
}

func isUnix(s wait.Descriptor) bool {
	return s.Proto == wait.ProtoUnix || s.Proto == wait.ProtoUnixgram
}

// unixSockets asks for all unix sockets of the process's network namespace.
func (p *Process) unixSockets() (map[uint32]unixSocket, error) {
	diag, err := p.openDiag()
	if err != nil {
		return nil, err
	}
	defer unix.Close(diag)
	if err := unix.Sendto(diag, unixDiagRequest(), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, fmt.Errorf("asking for the unix sockets: %w", err)
	}
	sockets := make(map[uint32]unixSocket)
	buf := make([]byte, 1<<16)
	for {
		n, _, err := unix.Recvfrom(diag, buf, 0)
		if err != nil {
			return nil, fmt.Errorf("receiving the unix sockets: %w", err)
		}
		done, err := parseUnixDiag(buf[:n], sockets)
		if done || err != nil {
			return sockets, err
		}
	}
}

// openDiag opens a sock_diag socket in the process's network namespace, which
// takes CAP_SYS_ADMIN if that is not ours.
func (p *Process) openDiag() (int, error) {
	own, err := namespaceOf("/proc/self/ns/net")
	if err != nil {
		return -1, err
	}
	theirs, err := namespaceOf(procPath(p.PID, "ns/net"))
	if err != nil {
		return -1, err
	}
	if own == theirs {
		return newDiag()
	}
	type opened struct {
		fd  int
		err error
	}
	result := make(chan opened)
	go func() {
		// A socket belongs to the namespace of the thread that made it. The
		// thread is never unlocked, so that it ends with this goroutine.
		runtime.LockOSThread()
		fd, err := p.enterAndOpen()
		result <- opened{fd, err}
	}()
	r := <-result
	return r.fd, r.err
}

func (p *Process) enterAndOpen() (int, error) {
	namespace, err := os.Open(procPath(p.PID, "ns/net"))
	if err != nil {
		return -1, err
	}
	defer namespace.Close()
	if err := unix.Setns(int(namespace.Fd()), unix.CLONE_NEWNET); err != nil {
		return -1, fmt.Errorf("entering the network namespace of process %d: %w", p.PID, err)
	}
	return newDiag()
}

func newDiag() (int, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return -1, fmt.Errorf("opening a sock_diag socket: %w", err)
	}
	// The kernel answers at once or not at all.
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 1}); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("setting up a sock_diag socket: %w", err)
	}
	return fd, nil
}

// Of linux/unix_diag.h.
const (
	unixDiagShowName = 1
	unixDiagShowPeer = 4
	unixDiagName     = 0 // attribute: sun_path
	unixDiagPeer     = 2 // attribute: inode
	unixDiagSize     = 16
)

// unixDiagRequest is a request for all unix sockets: struct nlmsghdr and
// struct unix_diag_req.
func unixDiagRequest() []byte {
	const size = unix.SizeofNlMsghdr + 24
	const allStates = ^uint32(0)
	order := binary.NativeEndian
	r := order.AppendUint32(nil, size)
	r = order.AppendUint16(r, unix.SOCK_DIAG_BY_FAMILY)
	r = order.AppendUint16(r, unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	r = append(r, make([]byte, 8)...) // sequence number and port
	r = append(r, unix.AF_UNIX, 0, 0, 0)
	r = order.AppendUint32(r, allStates)
	r = order.AppendUint32(r, 0) // inode: any
	r = order.AppendUint32(r, unixDiagShowName|unixDiagShowPeer)
	return append(r, make([]byte, 8)...) // cookie
}

// parseUnixDiag takes sockets out of what the kernel answered, and tells
// whether that was the end of it.
func parseUnixDiag(answer []byte, sockets map[uint32]unixSocket) (done bool, err error) {
	messages, err := syscall.ParseNetlinkMessage(answer)
	if err != nil {
		return false, fmt.Errorf("parsing an answer of sock_diag: %w", err)
	}
	for _, m := range messages {
		switch m.Header.Type {
		case unix.NLMSG_DONE:
			return true, nil
		case unix.NLMSG_ERROR:
			return false, errors.New("sock_diag refused to tell")
		}
		if len(m.Data) < unixDiagSize {
			continue
		}
		inode := binary.NativeEndian.Uint32(m.Data[4:])
		sockets[inode] = parseUnixAttributes(m.Data[unixDiagSize:])
	}
	return false, nil
}

func parseUnixAttributes(data []byte) unixSocket {
	var s unixSocket
	for len(data) >= unix.SizeofRtAttr {
		size := int(binary.NativeEndian.Uint16(data))
		kind := binary.NativeEndian.Uint16(data[2:])
		if size < unix.SizeofRtAttr || size > len(data) {
			break
		}
		value := data[unix.SizeofRtAttr:size]
		switch {
		case kind == unixDiagName:
			s.name = wait.UnixName(value)
		case kind == unixDiagPeer && len(value) >= 4:
			s.peer = binary.NativeEndian.Uint32(value)
		}
		data = data[min((size+3)&^3, len(data)):]
	}
	return s
}
