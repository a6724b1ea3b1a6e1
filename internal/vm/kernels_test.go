package vm_test

import (
	"cmp"
	"context"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netpolltrace/netpolltrace/internal/compatibility"
	"github.com/netpolltrace/netpolltrace/internal/vm"
)

var update = flag.Bool("update", false, "write what is found to docs/compatibility.md")

// patience is how long a machine may take. It takes four minutes with a processor
// to itself, which others may share.
const patience = 30 * time.Minute

// column is a column of the table and the guest's tests that it is about.
type column struct{ name, tests string }

var columns = []column{
	{"fentry", "TestBackends/fentry"},
	{"kprobe", "TestBackends/kprobe"},
	{"tracepoint", "TestBackends/tracepoint"},
	{"uprobe_multi", "TestUprobes/uprobe_multi"},
	{"uprobe by perf event", "TestUprobes/perf_events"},
	{"readiness by ep_poll_callback", "TestReadiness/every_edge"},
	{"by sk_data_ready", "TestReadiness/sockets"},
	{"by none", "TestReadiness/none"},
	{"in a PID namespace", "TestInPIDNamespace"},
	{"without root", "TestWithoutRoot"},
	{"the command", "TestCommand"},
}

// TestKernels boots the machines that NETPOLLTRACE_KERNELS names ("5.10-amd64
// sid-arm64", or "all") and runs the tests of package guest in each of them, as
// many at a time as go test -parallel says. "make test-kernels" runs it.
func TestKernels(t *testing.T) {
	list := os.Getenv("NETPOLLTRACE_KERNELS")
	if list == "" {
		t.Skip("NETPOLLTRACE_KERNELS is empty: it lists the kernels to boot, or says all")
	}
	machines, err := vm.Parse(list)
	if err != nil {
		t.Fatal(err)
	}
	kernels, err := vm.Fetch(t.Context(), machines)
	if err != nil {
		t.Fatal(err)
	}
	archives := make(map[string]string)
	for _, m := range machines {
		if archives[m.Arch] == "" {
			if archives[m.Arch], err = vm.Build(t.Context(), m.Arch, t.TempDir()); err != nil {
				t.Fatal(err)
			}
		}
	}
	runs := make([]*vm.Run, len(machines))
	t.Run("machines", func(t *testing.T) {
		for i, m := range machines {
			t.Run(m.String(), func(t *testing.T) {
				t.Parallel()
				runs[i] = boot(t, m, kernels, []string{archives[m.Arch]}, "-test.skip=^TestReleases$")
			})
		}
	})
	if *update {
		writeTable(t, machines, runs)
	}
}

// boot has a machine run its tests, and makes each of them one of t's.
func boot(t *testing.T, m vm.Machine, kernels string, archives []string, args ...string) *vm.Run {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	run, err := vm.Boot(ctx, m, kernels, archives, t.TempDir(), args...)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range run.Tests {
		t.Run(test.Name, func(t *testing.T) { judge(t, test) })
	}
	if run.Status != 0 || len(run.Tests) == 0 {
		t.Errorf("the machine's test ended with status %d; the last lines of its console:\n%s", run.Status, lastLines(run.Console, 60))
	}
	return run
}

func judge(t *testing.T, test vm.Test) {
	switch test.Action {
	case "pass":
		t.Logf("%v\n%s", test.Took, test.Output)
	case "skip":
		t.Skip(strings.TrimSpace(test.Output))
	default:
		t.Errorf("%v\n%s", test.Took, test.Output)
	}
}

func lastLines(text []byte, n int) string {
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

func writeTable(t *testing.T, machines []vm.Machine, runs []*vm.Run) {
	var names []string
	for _, c := range columns {
		names = append(names, c.name)
	}
	table, err := compatibility.Read("../../docs/compatibility.md", "kernels", append([]string{"kernel"}, names...)...)
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range machines {
		if runs[i] == nil {
			continue
		}
		table.Set(m.String(), "kernel", runs[i].Release)
		for _, c := range columns {
			table.Set(m.String(), c.name, verdict(runs[i].Tests, c.tests))
		}
	}
	place := func(row string) int {
		return slices.IndexFunc(vm.Machines, func(m vm.Machine) bool { return m.String() == row })
	}
	if err := table.Write(func(a, b string) int { return cmp.Compare(place(a), place(b)) }); err != nil {
		t.Fatal(err)
	}
}

// verdict sums up the tests of a column.
func verdict(tests []vm.Test, of string) string {
	actions := make(map[string]int)
	for _, test := range tests {
		if test.Name == of || strings.HasPrefix(test.Name, of+"/") {
			actions[test.Action]++
		}
	}
	switch {
	case actions["fail"]+actions[""] > 0:
		return "fails"
	case actions["pass"] > 0:
		return "true"
	case actions["skip"] > 0:
		return "not in the kernel"
	}
	return "–"
}
