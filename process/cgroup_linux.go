package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Cgroup is a control group in which the process is.
type Cgroup struct {
	// Controllers are those of a version 1 hierarchy; none for version 2.
	Controllers []string
	// Path is its path as the caller's cgroup namespace shows it.
	Path string
	// Dir is its directory in the file system, Mount that of the topmost
	// visible one of its hierarchy. Both are empty where the hierarchy is not
	// mounted, or the group lies outside of what is mounted.
	Dir, Mount string
}

// Cgroups are the control groups of the process, one a hierarchy.
func (p *Process) Cgroups() ([]Cgroup, error) {
	text, err := os.ReadFile(procPath(p.PID, "cgroup"))
	if err != nil {
		return nil, p.explain("reading the cgroups", err)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("reading the mounts: %w", err)
	}
	groups := parseCgroups(string(text))
	locateCgroups(groups, parseCgroupMounts(string(mounts)))
	return groups, nil
}

// parseCgroups parses /proc/PID/cgroup: lines of HIERARCHY:CONTROLLERS:PATH,
// of which version 2 has no controllers; see cgroups(7).
func parseCgroups(text string) []Cgroup {
	var groups []Cgroup
	for line := range strings.Lines(text) {
		_, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		controllers, dir, ok := strings.Cut(rest, ":")
		if !ok {
			continue
		}
		g := Cgroup{Path: strings.TrimSuffix(dir, " (deleted)")}
		if controllers != "" {
			g.Controllers = strings.Split(controllers, ",")
		}
		groups = append(groups, g)
	}
	return groups
}

// cgroupMount is where a hierarchy, or a part of it, is mounted.
type cgroupMount struct {
	root    string // the group that is mounted, as the caller's namespace shows it
	dir     string
	version int
	options []string // of the file system: the controllers of version 1
}

// parseCgroupMounts picks the cgroup mounts out of /proc/PID/mountinfo; see
// proc_pid_mountinfo(5).
func parseCgroupMounts(text string) []cgroupMount {
	const root, dir = 3, 4
	const fstype, options = 0, 2 // after the separator
	var mounts []cgroupMount
	for line := range strings.Lines(text) {
		before, after, _ := strings.Cut(line, " - ")
		first, last := strings.Fields(before), strings.Fields(after)
		if len(first) <= dir || len(last) <= options {
			continue
		}
		m := cgroupMount{root: unescapeMount(first[root]), dir: path.Clean(unescapeMount(first[dir]))}
		switch last[fstype] {
		case "cgroup":
			m.version, m.options = 1, strings.Split(last[options], ",")
		case "cgroup2":
			m.version = 2
		default:
			continue
		}
		mounts = append(mounts, m)
	}
	return mounts
}

// unescapeMount undoes the escapes of blanks and backslashes in mountinfo.
var unescapeMount = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace

// locateCgroups finds the groups' directories under the mounts.
func locateCgroups(groups []Cgroup, mounts []cgroupMount) {
	for i := range groups {
		for _, m := range mounts {
			if !m.holds(groups[i]) {
				continue
			}
			if below, ok := cutDir(groups[i].Path, m.root); ok {
				groups[i].Mount, groups[i].Dir = m.dir, path.Join(m.dir, below)
				break
			}
		}
	}
}

// holds tells whether the mount is of the group's hierarchy.
func (m cgroupMount) holds(g Cgroup) bool {
	if len(g.Controllers) == 0 {
		return m.version == 2
	}
	return m.version == 1 && !slices.ContainsFunc(g.Controllers, func(c string) bool {
		return !slices.Contains(m.options, c)
	})
}

// cutDir cuts a leading directory off a path. What is left must not climb out
// again: a group outside of the caller's namespace has a path with "..".
func cutDir(name, dir string) (string, bool) {
	if dir == "/" {
		dir = ""
	}
	below, ok := strings.CutPrefix(name, dir)
	if !ok || below != "" && below[0] != '/' || slices.Contains(strings.Split(below, "/"), "..") {
		return "", false
	}
	return below, true
}

// cpuCgroup is the group that limits the process's CPU time: in a hybrid
// setup the one of version 1, if its hierarchy has the cpu controller.
func cpuCgroup(groups []Cgroup) (Cgroup, bool) {
	v2 := Cgroup{}
	for _, g := range groups {
		if slices.Contains(g.Controllers, "cpu") {
			return g, g.Dir != ""
		}
		if len(g.Controllers) == 0 {
			v2 = g
		}
	}
	return v2, v2.Dir != ""
}

// withAncestors is the group's directory and all above it that are visible,
// with their paths: a limit holds for everything below it.
func (g Cgroup) withAncestors() []Cgroup {
	var all []Cgroup
	for {
		all = append(all, g)
		if len(g.Dir) <= len(g.Mount) {
			return all
		}
		g.Dir, g.Path = path.Dir(g.Dir), path.Dir(g.Path)
	}
}

// cpuLimit is a group's limit of CPU time and how often it was hit. The
// counters only grow while the group lives.
type cpuLimit struct {
	Path          string  // of the group
	Quota         float64 // CPUs; 0 for no limit
	Periods       uint64  // periods in which the group had something to run
	Throttled     uint64  // those in which it used up its quota
	ThrottledTime time.Duration
}

// readCPULimit reads the limit of a group; false if it has none.
func readCPULimit(g Cgroup) (cpuLimit, bool) {
	quota, err := readQuota(g)
	if err != nil || quota == 0 {
		return cpuLimit{}, false
	}
	text, err := os.ReadFile(path.Join(g.Dir, "cpu.stat"))
	if err != nil {
		return cpuLimit{}, false
	}
	limit := parseCPUStat(string(text))
	limit.Path, limit.Quota = g.Path, quota
	return limit, true
}

// readQuota reads how many CPUs a group may use; 0 for no limit. The root
// group has no such file.
func readQuota(g Cgroup) (float64, error) {
	if len(g.Controllers) == 0 {
		text, err := os.ReadFile(path.Join(g.Dir, "cpu.max"))
		if err != nil {
			return 0, noLimit(err)
		}
		return parseQuota(strings.Fields(string(text)))
	}
	quota, err := os.ReadFile(path.Join(g.Dir, "cpu.cfs_quota_us"))
	if err != nil {
		return 0, noLimit(err)
	}
	period, err := os.ReadFile(path.Join(g.Dir, "cpu.cfs_period_us"))
	if err != nil {
		return 0, noLimit(err)
	}
	return parseQuota([]string{strings.TrimSpace(string(quota)), strings.TrimSpace(string(period))})
}

func noLimit(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// parseQuota parses a quota and a period, both in microseconds: "200000
// 100000" is two CPUs. "max" in version 2 and -1 in version 1 mean no limit.
func parseQuota(fields []string) (float64, error) {
	if len(fields) != 2 {
		return 0, fmt.Errorf("quota %q: not two fields", fields)
	}
	if fields[0] == "max" || fields[0] == "-1" {
		return 0, nil
	}
	quota, err := strconv.ParseUint(fields[0], 10, 63)
	if err != nil {
		return 0, err
	}
	period, err := strconv.ParseUint(fields[1], 10, 63)
	if err != nil {
		return 0, err
	}
	if period == 0 {
		return 0, errors.New("quota with a period of 0")
	}
	return float64(quota) / float64(period), nil
}

// parseCPUStat parses a group's cpu.stat of either version. Version 1 has the
// throttled time in nanoseconds, version 2 in microseconds and calls it
// otherwise.
func parseCPUStat(text string) cpuLimit {
	var limit cpuLimit
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		n, err := strconv.ParseUint(value, 10, 63)
		if err != nil {
			continue
		}
		switch key {
		case "nr_periods":
			limit.Periods = n
		case "nr_throttled":
			limit.Throttled = n
		case "throttled_time":
			limit.ThrottledTime = time.Duration(n)
		case "throttled_usec":
			limit.ThrottledTime = time.Duration(n) * time.Microsecond
		}
	}
	return limit
}

// parseCPUList counts the CPUs of a list such as "0-3,8,10-11".
func parseCPUList(text string) (int, error) {
	count := 0
	for span := range strings.SplitSeq(strings.TrimSpace(text), ",") {
		low, high, isRange := strings.Cut(span, "-")
		first, err := strconv.ParseUint(low, 10, 31)
		if err != nil {
			return 0, fmt.Errorf("CPU list %q: %w", text, err)
		}
		last := first
		if isRange {
			if last, err = strconv.ParseUint(high, 10, 31); err != nil {
				return 0, fmt.Errorf("CPU list %q: %w", text, err)
			}
		}
		if last < first {
			return 0, fmt.Errorf("CPU list %q: ends before it begins", text)
		}
		count += int(last-first) + 1
	}
	return count, nil
}
