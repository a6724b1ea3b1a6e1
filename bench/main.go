// Command bench measures what being recorded costs a program: the throughput of
// a saturated loopback ping-pong (testdata/programs/echo) under each of several
// observers, in rounds that go through all of them in turn, since machines are
// noisy and get warm. It prints a Markdown table for docs/performance.md.
//
// Run it with "make bench", as root, on a machine that does nothing else.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/netpolltrace/netpolltrace/testprogram"
)

// config is what the command line says.
type config struct {
	rounds int
	run    time.Duration // of one measurement
	conns  int
	tool   string   // path of netpolltrace; empty: build it
	only   []string // names of variants; empty: all
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if len(os.Args) > 1 && os.Args[1] == emptyCommand {
		end(observeEmpty(ctx, os.Args[2:]))
		return
	}
	var c config
	flag.IntVar(&c.rounds, "rounds", 5, "how often to go through all variants")
	flag.DurationVar(&c.run, "run", 2*time.Second, "how long one measurement takes")
	flag.IntVar(&c.conns, "conns", 8, "connections of the ping-pong")
	flag.StringVar(&c.tool, "netpolltrace", "", "`path` of netpolltrace (default: built from this tree)")
	only := flag.String("only", "", "measure only these variants, `names` separated by commas; bare always is")
	flag.Parse()
	if *only != "" {
		c.only = strings.Split(*only, ",")
	}
	end(bench(ctx, c))
}

func end(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	}
}

func bench(ctx context.Context, c config) (err error) {
	dir, err := os.MkdirTemp("", "netpolltrace-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if c.tool == "" {
		c.tool = filepath.Join(dir, "netpolltrace")
		if out, err := exec.CommandContext(ctx, "go", "build", "-o", c.tool, "./cmd/netpolltrace").CombinedOutput(); err != nil {
			return fmt.Errorf("building netpolltrace: %w\n%s", err, out)
		}
	}
	echo, err := testprogram.Build{}.Program(ctx, "echo", dir)
	if err != nil {
		return err
	}
	chosen, err := choose(variants(), c.only)
	if err != nil {
		return err
	}
	r := rounds{config: c, dir: dir, echo: echo, variants: chosen}
	if err := r.run(ctx); err != nil {
		return err
	}
	fmt.Printf("%d rounds of %v, %d connections, %d CPUs, %s %s/%s, kernel %s\n\n",
		c.rounds, c.run, c.conns, runtime.NumCPU(), runtime.Version(), runtime.GOOS, runtime.GOARCH, kernel())
	fmt.Print(r.table())
	return nil
}

// choose returns the variants named, and always the first, which is bare.
func choose(all []variant, names []string) ([]variant, error) {
	if len(names) == 0 {
		return all, nil
	}
	for _, name := range names {
		if !slices.ContainsFunc(all, func(v variant) bool { return v.name == name }) {
			return nil, fmt.Errorf("there is no variant %q; there are %s", name, strings.Join(namesOf(all), ", "))
		}
	}
	return slices.DeleteFunc(slices.Clone(all), func(v variant) bool {
		return v.name != bare && !slices.Contains(names, v.name)
	}), nil
}

func namesOf(variants []variant) []string {
	var names []string
	for _, v := range variants {
		names = append(names, v.name)
	}
	return names
}

func kernel() string {
	text, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(text))
}
