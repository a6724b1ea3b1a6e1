package process

import (
	"bytes"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/netpolltrace/netpolltrace/wait"
)

func TestStatOfACommandWithBracketsAndSpaces(t *testing.T) {
	got, err := parseStat([]byte("42 (a) (b c) S 1 42 42 0 -1 4194560 100 0"))
	want := stat{Comm: "a) (b c", State: 'S', Flags: 4194560}
	if err != nil || got != want {
		t.Errorf("parseStat = %+v, %v; want %+v", got, err, want)
	}
}

func TestStatWithoutItsFieldsIsAnError(t *testing.T) {
	for _, text := range []string{"", "42", "42 (a", "42 )a(", "42 (a) S", "42 (a) SS 1 2 3 4 5 6", "42 (a) S 1 2 3 4 5 x"} {
		if got, err := parseStat([]byte(text)); err == nil {
			t.Errorf("parseStat(%q) = %+v, want an error", text, got)
		}
	}
}

func TestStatusTellsThePIDsOfAllNamespaces(t *testing.T) {
	got, err := parseStatus("Name:\tserver\nTgid:\t42\nUid:\t1000\t1001\t1001\t1001\nGroups:\t\nNSpid:\t42\t7\t1\n")
	want := status{TGID: 42, UID: 1000, NSPID: []int{42, 7, 1}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("parseStatus = %+v, %v; want %+v", got, err, want)
	}
}

func TestEpollInfo(t *testing.T) {
	const text = "pos:\t0\nflags:\t02000002\nmnt_id:\t15\nino:\t1057\n" +
		"tfd:        4 events: 8000201d data: 3f87b5fb40000001  pos:0 ino:5a3c sdev:8\n" +
		"tfd:       12 events:       19 data:           5a2b10  pos:0 ino:421 sdev:f\n" +
		"tfd:        5 events:       1d data:                0 \n"
	got, err := parseEpollInfo(text)
	want := []EpollEntry{
		{FD: 4, Events: 0x8000201d, Data: 0x3f87b5fb40000001},
		{FD: 12, Events: 0x19, Data: 0x5a2b10},
		{FD: 5, Events: 0x1d, Data: 0},
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("parseEpollInfo = %+v, %v; want %+v", got, err, want)
	}
}

func TestDamagedEpollInfoIsAnError(t *testing.T) {
	for _, text := range []string{"tfd:", "tfd: 4 events: 19", "tfd: x events: 19 data: 0", "tfd: 4 events: 100000000 data: 0", "tfd: 4 events: 1 data: z"} {
		if got, err := parseEpollInfo(text); err == nil {
			t.Errorf("parseEpollInfo(%q) = %+v, want an error", text, got)
		}
	}
}

func TestInodesOfDescriptors(t *testing.T) {
	for target, want := range map[string]uint64{
		"socket:[4711]":          4711,
		"pipe:[12]":              12,
		"anon_inode:[eventpoll]": 0,
		"/tmp/socket:[4711]":     0,
		"socket:[]":              0,
		"socket:[x]":             0,
	} {
		if got, ok := (FD{Target: target}).Inode(); got != want || ok != (want != 0) {
			t.Errorf("inode of %q = %d, %t; want %d", target, got, ok, want)
		}
	}
}

// fixtureSockets parses the tables of testdata/proc/net for a process that has
// all sockets of them but 999.
func fixtureSockets(t *testing.T) SocketTable {
	t.Helper()
	wanted := make(map[uint64]bool)
	for inode := range uint64(900) {
		wanted[inode] = true
	}
	table := make(SocketTable)
	for _, source := range socketSources {
		if source.name == "udp6" {
			continue
		}
		f, err := os.Open("testdata/proc/net/" + source.name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := parseSockets(f, source, wanted, table); err != nil {
			t.Fatalf("parsing %s: %v", source.name, err)
		}
	}
	table.assignRoles()
	return table
}

func TestSocketsOfAllFamilies(t *testing.T) {
	const (
		listening = wait.RoleListening
		accepted  = wait.RoleAccepted
		dialed    = wait.RoleDialed
	)
	want := map[uint64]wait.Endpoint{
		100: {Proto: "tcp", Role: listening, Local: "127.0.0.1:8080"},
		101: {Proto: "tcp", Role: accepted, Local: "127.0.0.1:8080", Peer: "127.0.0.1:50000"},
		102: {Proto: "tcp", Role: dialed, Local: "127.0.0.1:50000", Peer: "127.0.0.1:8080"},
		103: {Proto: "tcp", Role: dialed, Local: "10.0.2.5:50001", Peer: "10.0.0.7:5432", Connecting: true},
		200: {Proto: "tcp", Role: listening, Local: "[::]:443"},
		201: {Proto: "tcp", Role: accepted, Local: "[::1]:443", Peer: "[::1]:54321"},
		202: {Proto: "tcp", Role: accepted, Local: "127.0.0.1:443", Peer: "127.0.0.1:54322"},
		203: {Proto: "tcp", Role: dialed, Local: "[2001:db8::beef]:40000", Peer: "[2001:db8::1]:80"},
		300: {Proto: "udp", Local: "127.0.0.1:53"},
		301: {Proto: "udp", Role: dialed, Local: "127.0.0.1:41921", Peer: "127.0.0.1:53"},
		400: {Proto: "unix", Role: listening, Local: "/run/app.sock"},
		401: {Proto: "unix", Role: accepted, Local: "/run/app.sock"},
		402: {Proto: "unix", Role: dialed},
		403: {Proto: "unix", Role: listening, Local: "@name"},
		404: {Proto: "unix", Role: dialed, Local: "/run/with space"},
		405: {Proto: "unixgram", Local: "/run/evil"},
	}
	got := fixtureSockets(t)
	for inode, s := range got {
		if endpoint := s.Endpoint(); endpoint != want[inode] {
			t.Errorf("socket %d = %+v, want %+v", inode, endpoint, want[inode])
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d sockets, want %d", len(got), len(want))
	}
}

func TestWhatADescriptorIs(t *testing.T) {
	table := SocketTable{7: {Proto: "tcp", Peer: netip.MustParseAddrPort("10.0.0.7:5432")}}
	for target, want := range map[string]wait.Endpoint{
		"socket:[7]":           {Proto: "tcp", Peer: "10.0.0.7:5432"},
		"socket:[8]":           {Proto: "socket", Local: "socket:[8]"},
		"pipe:[7]":             {Proto: "pipe", Local: "pipe:[7]", Peer: "pipe:[7]"},
		"anon_inode:[eventfd]": {Proto: "eventfd"},
		"anon_inode:inotify":   {Proto: "inotify"},
		"/dev/pts/3":           {Proto: "file", Local: "/dev/pts/3", Peer: "/dev/pts/3"},
	} {
		want.FD = 5
		if got := table.Of(5, FD{Target: target}); got != want {
			t.Errorf("%q is %+v, want %+v", target, got, want)
		}
	}
}

func TestAuxvEntry(t *testing.T) {
	auxv := append(bytes.Repeat([]byte{3, 0, 0, 0, 0, 0, 0, 0}, 2),
		9, 0, 0, 0, 0, 0, 0, 0, 0x40, 0x10, 0x55, 0, 0, 0, 0, 0)
	if got, ok := auxvEntry(auxv); !ok || got != 0x551040 {
		t.Errorf("auxvEntry = %#x, %t; want 0x551040", got, ok)
	}
	for _, damaged := range [][]byte{nil, auxv[:20]} {
		if got, ok := auxvEntry(damaged); ok {
			t.Errorf("auxvEntry(%v) = %#x, want none", damaged, got)
		}
	}
}

func FuzzParsers(f *testing.F) {
	for _, name := range []string{"tcp", "tcp6", "udp", "unix"} {
		text, err := os.ReadFile("testdata/proc/net/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte("42 (a) S 1 42 42 0 -1 4194560 100 0"))
	f.Add([]byte("tfd: 4 events: 8000201d data: 3f87b5fb40000001"))
	f.Add([]byte("4:cpu,cpuacct:/a/b\n0::/../../c\n"))
	f.Add([]byte("33 31 0:30 /a /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"))
	f.Add([]byte("nr_periods 3\nnr_throttled 1\nthrottled_usec 5000"))
	f.Add([]byte("200000 100000"))
	f.Add([]byte("0-3,8"))
	f.Fuzz(func(t *testing.T, text []byte) {
		parseStat(text)
		parseStatus(string(text))
		parseEpollInfo(string(text))
		for _, source := range socketSources {
			parseSockets(bytes.NewReader(text), source, map[uint64]bool{100: true, 402: true}, make(SocketTable))
		}
		auxvEntry(text)
		groups := parseCgroups(string(text))
		locateCgroups(groups, parseCgroupMounts(string(text)))
		for _, g := range groups {
			for _, above := range g.withAncestors() {
				if !strings.HasPrefix(above.Dir, g.Mount) {
					t.Errorf("%q lies outside of the mount %q", above.Dir, g.Mount)
				}
			}
		}
		parseQuota(strings.Fields(string(text)))
		parseCPUStat(string(text))
		parseCPUList(string(text))
		parseSchedstat(string(text))
		parseUnixDiag(text, make(map[uint32]unixSocket))
	})
}
