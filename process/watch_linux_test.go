package process

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/netpolltrace/netpolltrace/wait"
)

func TestCgroupsOfBothVersions(t *testing.T) {
	const hybrid = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n" +
		"32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct\n" +
		"35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n" +
		"41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
	const unified = "30 23 0:26 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
	for _, c := range []struct {
		name, cgroup, mounts string
		dir, mount           string // of the group with the CPU limit; empty if it is not visible
	}{
		{"v2", "0::/system.slice/app.service\n", unified, "/sys/fs/cgroup/system.slice/app.service", "/sys/fs/cgroup"},
		{"v1", "4:memory:/m\n3:cpu,cpuacct:/docker/abc\n", hybrid, "/sys/fs/cgroup/cpu,cpuacct/docker/abc", "/sys/fs/cgroup/cpu,cpuacct"},
		{"hybrid: version 1 has the controller", "3:cpu,cpuacct:/docker/abc\n0::/docker/abc\n", hybrid, "/sys/fs/cgroup/cpu,cpuacct/docker/abc", "/sys/fs/cgroup/cpu,cpuacct"},
		{"hybrid: version 2 has it", "4:memory:/m\n0::/app\n", hybrid, "/sys/fs/cgroup/unified/app", "/sys/fs/cgroup/unified"},
		{"the root group", "0::/\n", unified, "/sys/fs/cgroup", "/sys/fs/cgroup"},
		{"in a container, own group mounted", "0::/docker/abc/app\n", "30 23 0:26 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup ro\n", "/sys/fs/cgroup/app", "/sys/fs/cgroup"},
		{"in a container, host's groups mounted", "0::/../../pods/p1\n", "30 23 0:26 /../.. /host/cgroup ro - cgroup2 cgroup ro\n", "/host/cgroup/pods/p1", "/host/cgroup"},
		{"outside of what is mounted", "0::/../other\n", unified, "", ""},
		{"a name that begins alike", "0::/docker/abcdef\n", "30 23 0:26 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup ro\n", "", ""},
		{"not mounted", "0::/app\n", "", "", ""},
		{"a mount point with a space", "0::/a\n", `30 23 0:26 / /my\040groups rw - cgroup2 cgroup rw` + "\n", "/my groups/a", "/my groups"},
		{"deleted", "0::/app (deleted)\n", unified, "/sys/fs/cgroup/app", "/sys/fs/cgroup"},
	} {
		groups := parseCgroups(c.cgroup)
		locateCgroups(groups, parseCgroupMounts(c.mounts))
		g, ok := cpuCgroup(groups)
		if ok != (c.dir != "") || g.Dir != c.dir || g.Mount != c.mount {
			t.Errorf("%s: %q under %q, %t; want %q under %q", c.name, g.Dir, g.Mount, ok, c.dir, c.mount)
		}
	}
}

func TestLimitsOfAllAncestors(t *testing.T) {
	for _, c := range []struct {
		name string
		own  Cgroup
		want []cpuLimit
	}{
		{
			"version 2: the group itself and its grandparent",
			Cgroup{Path: "/pods/p1/app", Dir: "testdata/cgroup/v2/pods/p1/app", Mount: "testdata/cgroup/v2"},
			[]cpuLimit{
				{Path: "/pods/p1/app", Quota: 2, Periods: 300, Throttled: 141, ThrottledTime: 82_200_000 * time.Microsecond},
				{Path: "/pods", Quota: 0.5, Periods: 10, Throttled: 1, ThrottledTime: 7 * time.Microsecond},
			},
		},
		{
			"version 1: the parent, since the group has no limit",
			Cgroup{Controllers: []string{"cpu"}, Path: "/docker/abc", Dir: "testdata/cgroup/v1/docker/abc", Mount: "testdata/cgroup/v1"},
			[]cpuLimit{{Path: "/docker", Quota: 1.5, Periods: 20, Throttled: 5, ThrottledTime: 123456789}},
		},
		{"a group that vanished", Cgroup{Path: "/gone", Dir: "testdata/cgroup/v2/gone", Mount: "testdata/cgroup/v2"}, nil},
	} {
		var got []cpuLimit
		for _, g := range c.own.withAncestors() {
			if limit, ok := readCPULimit(g); ok {
				got = append(got, limit)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s:\n got %+v\nwant %+v", c.name, got, c.want)
		}
	}
}

func TestQuotas(t *testing.T) {
	for _, c := range []struct {
		fields []string
		want   float64
		fails  bool
	}{
		{[]string{"max", "100000"}, 0, false},
		{[]string{"-1", "100000"}, 0, false},
		{[]string{"250000", "100000"}, 2.5, false},
		{[]string{"1", "0"}, 0, true},
		{[]string{"1"}, 0, true},
		{[]string{"-2", "1"}, 0, true},
	} {
		if got, err := parseQuota(c.fields); got != c.want || err != nil != c.fails {
			t.Errorf("parseQuota(%q) = %g, %v; want %g", c.fields, got, err, c.want)
		}
	}
}

func TestCPULists(t *testing.T) {
	for text, want := range map[string]int{"0\n": 1, "0-3": 4, "0-3,8,10-11\n": 7} {
		if got, err := parseCPUList(text); got != want || err != nil {
			t.Errorf("parseCPUList(%q) = %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "a", "3-1", "1-", "0,,1"} {
		if got, err := parseCPUList(text); err == nil {
			t.Errorf("parseCPUList(%q) = %d, want an error", text, got)
		}
	}
}

func TestEventsOfAnInterval(t *testing.T) {
	program := &wait.Process{Name: "app", PID: 7}
	w := &Watch{config: WatchConfig{Process: program, GOMAXPROCS: 16}}
	from := reading{
		At: time.Unix(100, 0), CPU: 5 * time.Second,
		Threads: map[int]threadTime{1: {Run: 100, Delay: 1000}, 2: {Run: 100, Delay: 5000}, 3: {Run: 9, Delay: 900}},
		Limits: []cpuLimit{
			{Path: "/a b", Quota: 2, Periods: 10, Throttled: 5, ThrottledTime: 1000},
			{Path: "/", Quota: 8, Periods: 10, Throttled: 5, ThrottledTime: 1000},
			{Path: "/new", Quota: 8, Periods: 10},
		},
	}
	to := reading{
		At: time.Unix(101, 0), CPU: 7 * time.Second, Online: 32, Allowed: 30,
		// 1 waited 500; 2 is another thread now and waited 70; 3 ended; 4 is new.
		Threads: map[int]threadTime{1: {Run: 200, Delay: 1500}, 2: {Run: 1, Delay: 70}, 4: {Run: 9, Delay: 30}},
		Limits: []cpuLimit{
			{Path: "/a b", Quota: 2, Periods: 20, Throttled: 8, ThrottledTime: 4000},
			{Path: "/", Quota: 8, Periods: 20, Throttled: 5, ThrottledTime: 1000},
			{Path: "/new", Quota: 8, Periods: 1},
		},
	}
	start := time.Unix(100, 0).UnixNano()
	want := []wait.Event{
		{Kind: wait.EventThrottled, Start: start, Duration: time.Second, Count: 3, Process: program,
			Detail: &wait.Throttling{Cgroup: "/a b", Periods: 10, Throttled: 3, Time: 3000, Quota: 2}},
		{Kind: wait.EventThrottled, Start: start, Duration: time.Second, Count: 0, Process: program,
			Detail: &wait.Throttling{Cgroup: "/", Periods: 10, Quota: 8}},
		{Kind: wait.EventRunDelay, Start: start, Duration: 600, Count: 3, Process: program,
			Detail: &wait.RunDelay{Interval: time.Second}},
		{Kind: wait.EventCPU, Start: start, Duration: 2 * time.Second, Count: 1, Process: program,
			Detail: &wait.CPU{Interval: time.Second, GOMAXPROCS: 16, Quota: 2, Online: 32, Allowed: 30}},
	}
	got := w.events(from, to)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("events:\n got %+v\nwant %+v", got, want)
	}
}

func TestNothingIsSaidOfWhatTheHostDoesNotCount(t *testing.T) {
	w := &Watch{}
	from := reading{At: time.Unix(100, 0), CPU: wait.Unmeasured}
	to := reading{At: time.Unix(101, 0), CPU: time.Second, Threads: map[int]threadTime{1: {}}}
	if got := w.events(from, to); len(got) != 0 {
		t.Errorf("events: %+v, want none", got)
	}
}

// limitedCgroup makes a cgroup with a limit of CPU time and one below it, and
// returns the directory of the latter.
func limitedCgroup(t *testing.T) string {
	t.Helper()
	groups, err := openProcess(t, os.Getpid()).Cgroups()
	if err != nil {
		t.Fatal(err)
	}
	own, ok := cpuCgroup(groups)
	if !ok {
		t.Skip("no cgroup with the cpu controller is mounted here")
	}
	limited := filepath.Join(own.Dir, fmt.Sprintf("netpolltrace-test-%d", os.Getpid()))
	below := filepath.Join(limited, "below")
	for _, dir := range []string{limited, below} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Skipf("no right to make cgroups here: %v", err)
		}
		t.Cleanup(func() { os.Remove(dir) })
	}
	file, limit := "cpu.max", "10000 100000"
	if len(own.Controllers) > 0 {
		file, limit = "cpu.cfs_quota_us", "10000"
	}
	if err := os.WriteFile(filepath.Join(limited, file), []byte(limit), 0o644); err != nil {
		t.Skipf("no right to limit CPU time here: %v", err)
	}
	return below
}

func TestThrottlingByACgroupAboveIsSeen(t *testing.T) {
	dir := limitedCgroup(t)
	running := startOther(t, self(t), "spin")
	p := openProcess(t, running.Process.Pid)
	if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(p.PID)), 0o644); err != nil {
		t.Fatal(err)
	}
	if quota := p.CPUQuota(); quota != 0.1 {
		t.Fatalf("CPUQuota = %g, want 0.1", quota)
	}
	w := p.Watch(WatchConfig{})
	first := w.read()
	for { // until the limit was hit
		events := w.events(first, w.read())
		i := slices.IndexFunc(events, func(e wait.Event) bool { return e.Kind == wait.EventThrottled })
		if i < 0 {
			t.Fatalf("events %+v, want one of the limit", events)
		}
		if events[i].Count == 0 {
			continue
		}
		detail := events[i].Detail.(*wait.Throttling)
		if detail.Quota != 0.1 || !strings.HasPrefix(detail.Cgroup, "/") || !strings.Contains(detail.Cgroup, filepath.Base(filepath.Dir(dir))) {
			t.Errorf("the event says %+v, want a limit of 0.1 CPUs of a cgroup in %s", detail, dir)
		}
		break
	}
	running.Process.Kill()
	running.Wait()
}
