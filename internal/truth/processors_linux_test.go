package truth_test

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/netpolltrace/netpolltrace/internal/testprogram"
)

// clockTick is the unit of processor times in /proc (USER_HZ).
const clockTick = 10 * time.Millisecond

// processors is how much of the processors' time was used until a moment.
type processors struct {
	at   time.Time
	all  time.Duration // by whatever ran, and what the host took (steal)
	ours time.Duration // by the program that is recorded, and by this one
}

func readProcessors(t *testing.T, program *testprogram.Process) processors {
	t.Helper()
	p := processors{at: time.Now()}
	// user, nice, system, and, further on, steal: see proc_stat(5). What interrupts
	// take is of whoever they are for.
	total := readTicks(t, "/proc/stat", "cpu")
	p.all = total[0] + total[1] + total[2] + total[7]
	for _, pid := range []int{program.PID(), os.Getpid()} {
		const user, system = 11, 12 // after the state: see proc_pid_stat(5)
		own := readTicks(t, fmt.Sprintf("/proc/%d/stat", pid), ")")
		p.ours += own[user] + own[system]
	}
	return p
}

// others is the share of the processors' time that other programs used since
// before.
func (p processors) others(before *processors) float64 {
	there := time.Duration(runtime.NumCPU()) * p.at.Sub(before.at)
	return float64(p.all-before.all-(p.ours-before.ours)) / float64(there)
}

// readTicks reads the numbers behind a word in the first line of a file. What is
// none is 0.
func readTicks(t *testing.T, path, after string) []time.Duration {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	_, numbers, found := strings.Cut(line, after)
	if !found {
		t.Fatalf("%s has no %q: %q", path, after, line)
	}
	var ticks []time.Duration
	for _, word := range strings.Fields(numbers) {
		var n int64
		_, _ = fmt.Sscan(word, &n)
		ticks = append(ticks, time.Duration(n)*clockTick)
	}
	return ticks
}
