package process

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"github.com/netpolltrace/netpolltrace/wait"
)

// SocketTable is the sockets of a process by inode.
type SocketTable map[uint64]wait.Descriptor

// socketState is the state of a TCP socket: TCP_SYN_SENT and so on of
// linux net/tcp_states.h.
type socketState uint64

const (
	stateSynSent socketState = 2
	stateListen  socketState = 10
)

// sockets are those of the process's descriptors, from the tables of the network
// namespace that it is in.
func (p *Process) sockets(fds map[int]FD) (SocketTable, error) {
	wanted := make(map[uint64]bool, len(fds))
	for _, fd := range fds {
		if inode, ok := fd.Inode(); ok && fd.IsSocket() {
			wanted[inode] = true
		}
	}
	table := make(SocketTable, len(wanted))
	for _, source := range socketSources {
		err := p.readSockets(source, wanted, table)
		// A kernel without IPv6 has no tcp6.
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	table.assignRoles()
	p.addUnixPeers(table)
	return table, nil
}

// socketSource is a table of sockets in /proc/PID/net.
type socketSource struct {
	name  string
	inode int // index of the field with the inode
	parse func(fields [][]byte) (wait.Descriptor, error)
	// forgeable tells that a field may hold anything, line breaks too, so that
	// a line which makes no sense is skipped.
	forgeable bool
}

var socketSources = [...]socketSource{
	{name: "tcp", inode: inetInode, parse: parseTCP},
	{name: "tcp6", inode: inetInode, parse: parseTCP},
	{name: "udp", inode: inetInode, parse: parseUDP},
	{name: "udp6", inode: inetInode, parse: parseUDP},
	{name: "unix", inode: unixInode, parse: parseUnix, forgeable: true},
}

func (p *Process) readSockets(source socketSource, wanted map[uint64]bool, table SocketTable) error {
	f, err := os.Open(procPath(p.PID, "net/"+source.name))
	if err != nil {
		return p.explain("reading the sockets", err)
	}
	defer f.Close()
	if err := parseSockets(f, source, wanted, table); err != nil {
		return fmt.Errorf("parsing %s: %w", f.Name(), err)
	}
	return nil
}

// parseSockets parses one table in one pass, and keeps the sockets with a
// wanted inode: the namespace's other processes may have many more.
func parseSockets(table io.Reader, source socketSource, wanted map[uint64]bool, into SocketTable) error {
	lines := bufio.NewScanner(table)
	lines.Scan() // the heading
	for lines.Scan() {
		fields := bytes.Fields(lines.Bytes())
		if len(fields) <= source.inode {
			continue
		}
		inode, err := strconv.ParseUint(string(fields[source.inode]), 10, 64)
		if err != nil || !wanted[inode] {
			continue
		}
		socket, err := source.parse(fields)
		switch {
		case err == nil:
			into[inode] = socket
		case !source.forgeable:
			return fmt.Errorf("line %q: %w", lines.Text(), err)
		}
	}
	return lines.Err()
}

// Fields of a line of /proc/net/tcp and its kin; see proc_pid_net(5).
const (
	inetLocal  = 1
	inetRemote = 2
	inetState  = 3
	inetInode  = 9
)

func parseTCP(fields [][]byte) (wait.Descriptor, error) {
	s, state, err := parseInet(fields)
	s.Proto = wait.ProtoTCP
	switch state {
	case stateListen:
		s.Role = wait.RoleListening
	case stateSynSent:
		s.Connecting = true
	}
	return s, err
}

func parseUDP(fields [][]byte) (wait.Descriptor, error) {
	s, _, err := parseInet(fields)
	s.Proto = wait.ProtoUDP
	return s, err
}

func parseInet(fields [][]byte) (wait.Descriptor, socketState, error) {
	local, err := parseAddr(fields[inetLocal])
	if err != nil {
		return wait.Descriptor{}, 0, err
	}
	remote, err := parseAddr(fields[inetRemote])
	if err != nil {
		return wait.Descriptor{}, 0, err
	}
	state, err := strconv.ParseUint(string(fields[inetState]), 16, 8)
	if err != nil {
		return wait.Descriptor{}, 0, err
	}
	s := wait.Descriptor{Local: local, Peer: remote}
	if remote.Port() != 0 {
		s.Role = wait.RoleDialed
	}
	return s, socketState(state), nil
}

// parseAddr parses ADDRESS:PORT in hexadecimal, of which the address is one or
// four 32-bit words, each in the host's byte order: little endian.
func parseAddr(text []byte) (netip.AddrPort, error) {
	host, port, ok := bytes.Cut(text, []byte{':'})
	if !ok || len(host) != 8 && len(host) != 32 {
		return netip.AddrPort{}, fmt.Errorf("address %q", text)
	}
	var raw [16]byte
	words := raw[:len(host)/2]
	if _, err := hex.Decode(words, host); err != nil {
		return netip.AddrPort{}, fmt.Errorf("address %q: %w", text, err)
	}
	for ; len(words) > 0; words = words[4:] {
		binary.BigEndian.PutUint32(words, binary.LittleEndian.Uint32(words))
	}
	number, err := strconv.ParseUint(string(port), 16, 16)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("port of %q: %w", text, err)
	}
	addr, _ := netip.AddrFromSlice(raw[:len(host)/2])
	return netip.AddrPortFrom(addr, uint16(number)), nil
}

// Fields of a line of /proc/net/unix; see proc_pid_net(5).
const (
	unixFlags = 3
	unixType  = 4
	unixState = 5
	unixInode = 6
	unixPath  = 7
)

const (
	unixAccepting = 0x10000 // __SO_ACCEPTCON of the flags: it listens
	unixDatagram  = 2       // SOCK_DGRAM of the type
	unixConnected = 3       // SS_CONNECTED of the state
)

func parseUnix(fields [][]byte) (wait.Descriptor, error) {
	flags, err := strconv.ParseUint(string(fields[unixFlags]), 16, 32)
	if err != nil {
		return wait.Descriptor{}, err
	}
	kind, err := strconv.ParseUint(string(fields[unixType]), 16, 16)
	if err != nil {
		return wait.Descriptor{}, err
	}
	state, err := strconv.ParseUint(string(fields[unixState]), 16, 8)
	if err != nil {
		return wait.Descriptor{}, err
	}
	s := wait.Descriptor{Proto: wait.ProtoUnix}
	if kind == unixDatagram {
		s.Proto = wait.ProtoUnixgram
	}
	if len(fields) > unixPath {
		s.LocalName = string(bytes.Join(fields[unixPath:], []byte{' '}))
	}
	switch {
	case flags&unixAccepting != 0:
		s.Role = wait.RoleListening
	case state == unixConnected:
		s.Role = wait.RoleDialed
	}
	return s, nil
}

// listener identifies what a socket listens at: a port, or a path.
type listener struct {
	proto string
	port  uint16
	path  string
}

func listenerOf(s wait.Descriptor) listener {
	return listener{proto: s.Proto, port: s.Local.Port(), path: s.LocalName}
}

// assignRoles tells accepted connections from dialed ones: an accepted one has
// the port, or the path, at which another socket of the process listens. The
// kernel does not keep who connected to whom.
func (t SocketTable) assignRoles() {
	listening := make(map[listener]bool)
	for _, s := range t {
		if s.Role == wait.RoleListening {
			listening[listenerOf(s)] = true
		}
	}
	for inode, s := range t {
		if s.Role == wait.RoleDialed && listening[listenerOf(s)] {
			s.Role = wait.RoleAccepted
			t[inode] = s
		}
	}
}

// Of tells what a descriptor is for somebody who waits for it. Pipes and the
// kernel's other pollable files have no entry in the table but are told too.
func (t SocketTable) Of(number int, fd FD) wait.Endpoint {
	d := t.descriptor(fd)
	d.FD = int32(number)
	return d.Endpoint()
}

func (t SocketTable) descriptor(fd FD) wait.Descriptor {
	inode, _ := fd.Inode()
	if s, ok := t[inode]; ok && fd.IsSocket() {
		return s
	}
	kind, rest, _ := strings.Cut(fd.Target, ":")
	switch {
	case strings.HasPrefix(fd.Target, "/"):
		return wait.Descriptor{Proto: wait.ProtoFile, Path: fd.Target}
	case kind == "anon_inode":
		return wait.Descriptor{Proto: strings.Trim(rest, "[]")}
	}
	// Pipes, and sockets of other families.
	return wait.Descriptor{Proto: kind, Inode: inode}
}
