package wait

import (
	"net/netip"
	"testing"
)

func TestEndpointsOfDescriptors(t *testing.T) {
	addr := netip.MustParseAddrPort
	for name, c := range map[string]struct {
		d    Descriptor
		want Endpoint
	}{
		"nothing known": {Descriptor{FD: 3, Inode: 4711}, Endpoint{FD: 3}},
		"TCP connection": {
			Descriptor{FD: 3, Proto: ProtoTCP, Role: RoleDialed, Local: addr("10.0.2.5:50001"), Peer: addr("10.0.0.7:5432"), Inode: 7},
			Endpoint{FD: 3, Proto: "tcp", Role: RoleDialed, Local: "10.0.2.5:50001", Peer: "10.0.0.7:5432"},
		},
		"TCP connection under way": {
			Descriptor{FD: 3, Proto: ProtoTCP, Role: RoleDialed, Connecting: true, Local: addr("10.0.2.5:50001"), Peer: addr("10.0.0.7:5432")},
			Endpoint{FD: 3, Proto: "tcp", Role: RoleDialed, Connecting: true, Local: "10.0.2.5:50001", Peer: "10.0.0.7:5432"},
		},
		"TCP listener": {
			Descriptor{FD: 3, Proto: ProtoTCP, Role: RoleListening, Local: addr("[::]:443"), Peer: addr("[::]:0")},
			Endpoint{FD: 3, Proto: "tcp", Role: RoleListening, Local: "[::]:443"},
		},
		"MPTCP listener": {
			Descriptor{FD: 3, Proto: ProtoMPTCP, Role: RoleListening, Local: addr("0.0.0.0:80"), Peer: addr("0.0.0.0:0")},
			Endpoint{FD: 3, Proto: "mptcp", Role: RoleListening, Local: "0.0.0.0:80"},
		},
		"IPv4 through an IPv6 socket": {
			Descriptor{FD: 3, Proto: ProtoTCP, Role: RoleAccepted, Local: addr("[::ffff:127.0.0.1]:443"), Peer: addr("[::ffff:127.0.0.1]:54322")},
			Endpoint{FD: 3, Proto: "tcp", Role: RoleAccepted, Local: "127.0.0.1:443", Peer: "127.0.0.1:54322"},
		},
		"addresses not known": {Descriptor{FD: 3, Proto: ProtoTCP}, Endpoint{FD: 3, Proto: "tcp"}},
		"UDP server": {
			Descriptor{FD: 3, Proto: ProtoUDP, Local: addr("127.0.0.1:53"), Peer: addr("0.0.0.0:0")},
			Endpoint{FD: 3, Proto: "udp", Local: "127.0.0.1:53"},
		},
		"unix connection": {
			Descriptor{FD: 3, Proto: ProtoUnix, Role: RoleDialed, PeerName: "/run/app.sock", Inode: 7},
			Endpoint{FD: 3, Proto: "unix", Role: RoleDialed, Peer: "/run/app.sock"},
		},
		"unix datagrams": {
			Descriptor{FD: 3, Proto: ProtoUnixgram, LocalName: "@log"},
			Endpoint{FD: 3, Proto: "unixgram", Local: "@log"},
		},
		"netlink socket":       {Descriptor{FD: 3, Proto: ProtoSocket, Inode: 8}, Endpoint{FD: 3, Proto: "socket", Local: "socket:[8]"}},
		"pipe":                 {Descriptor{FD: 3, Proto: ProtoPipe, Inode: 4711}, Endpoint{FD: 3, Proto: "pipe", Local: "pipe:[4711]", Peer: "pipe:[4711]"}},
		"terminal":             {Descriptor{FD: 3, Proto: ProtoFile, Path: "/dev/pts/3"}, Endpoint{FD: 3, Proto: "file", Local: "/dev/pts/3", Peer: "/dev/pts/3"}},
		"file, path not known": {Descriptor{FD: 3, Proto: ProtoFile, Inode: 9}, Endpoint{FD: 3, Proto: "file"}},
		"event descriptor":     {Descriptor{FD: 3, Proto: "eventfd"}, Endpoint{FD: 3, Proto: "eventfd"}},
	} {
		if got := c.d.Endpoint(); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

func TestNamesOfUnixSockets(t *testing.T) {
	for sunPath, want := range map[string]string{
		"":                       "",
		"/run/app.sock":          "/run/app.sock",
		"/run/app.sock\x00":      "/run/app.sock",
		"/run/app.sock\x00/left": "/run/app.sock",
		"\x00name":               "@name",
		"\x00name\x00\x00":       "@name",
		"\x00two\x00parts":       "@two@parts",
		"\x00":                   "@",
	} {
		if got := UnixName([]byte(sunPath)); got != want {
			t.Errorf("UnixName(%q) = %q, want %q", sunPath, got, want)
		}
	}
}

func TestOperationOnAnEndpoint(t *testing.T) {
	for _, c := range []struct {
		e     Endpoint
		write bool
		want  Op
	}{
		{Endpoint{Role: RoleDialed}, false, OpRead},
		{Endpoint{Role: RoleDialed}, true, OpWrite},
		{Endpoint{Role: RoleDialed, Connecting: true}, true, OpConnect},
		{Endpoint{Role: RoleDialed, Connecting: true}, false, OpRead},
		{Endpoint{Role: RoleAccepted}, false, OpRead},
		{Endpoint{Role: RoleListening}, false, OpAccept},
		{Endpoint{Proto: ProtoPipe}, true, OpWrite},
	} {
		if got := c.e.Op(c.write); got != c.want {
			t.Errorf("%+v, write %t: %q, want %q", c.e, c.write, got, c.want)
		}
	}
}

func TestPortsOfAddresses(t *testing.T) {
	for address, want := range map[string]struct {
		host, port string
		ok         bool
	}{
		"10.0.0.7:5432":       {"10.0.0.7", "5432", true},
		"[::1]:80":            {"::1", "80", true},
		"[fe80::1%eth0]:80":   {"fe80::1%eth0", "80", true},
		"db.example.org:5432": {"db.example.org", "5432", true},
		"ip-1:5432":           {"ip-1", "5432", true},
		"/run/app.sock":       {"/run/app.sock", "", false},
		"/run/app:80":         {"/run/app:80", "", false},
		"@app:80":             {"@app:80", "", false},
		"pipe:[4711]":         {"pipe:[4711]", "", false},
		"host:":               {"host:", "", false},
		"unix-1":              {"unix-1", "", false},
		"":                    {"", "", false},
	} {
		if host, port, ok := CutPort(address); host != want.host || port != want.port || ok != want.ok {
			t.Errorf("CutPort(%q) = %q, %q, %t", address, host, port, ok)
		}
	}
}
