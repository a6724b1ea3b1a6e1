// Command bench measures the complete program: whether recordings are accurate at
// full rate, what being recorded costs a program, what the tracer itself uses, how
// long it takes to attach, and how fast reports are. Variants are measured in
// turns, in rounds, since machines are noisy and get warm. It prints Markdown for
// docs/performance.md, and exits with status 1 if a goal was not reached.
//
// Run it with "make bench", as root, on an otherwise idle machine.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"
)

// config is what the command line says.
type config struct {
	rounds   int
	run      time.Duration // of one measurement
	conns    int
	tool     string   // path of netpolltrace; empty: build it
	only     []string // names of sections; empty: all
	variants []string // names of variants; empty: all
	write    string   // path of a document for the results; empty: none
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if len(os.Args) > 1 {
		if observe, ok := observers()[os.Args[1]]; ok {
			end(observe(ctx, os.Args[2:]))
			return
		}
	}
	end(bench(ctx, parse()))
}

func parse() config {
	var c config
	flag.IntVar(&c.rounds, "rounds", 5, "how often to go through all that is compared")
	flag.DurationVar(&c.run, "run", 2*time.Second, "how long one measurement of the ping-pong takes")
	flag.IntVar(&c.conns, "conns", 8, "connections of the ping-pong")
	flag.StringVar(&c.tool, "netpolltrace", "", "`path` of netpolltrace (default: built from this tree)")
	flag.StringVar(&c.write, "write", "", "put the results into this `document`, between its marks")
	only := flag.String("only", "", "measure only these `sections`, separated by commas: "+strings.Join(sectionNames(), ", "))
	variants := flag.String("variants", "", "of the section cost only these `names`, separated by commas; bare always is")
	flag.Parse()
	c.only, c.variants = splitList(*only), splitList(*variants)
	return c
}

func splitList(list string) []string {
	if list == "" {
		return nil
	}
	return strings.Split(list, ",")
}

// errMissed is for goals that were not reached.
var errMissed = errors.New("not all goals were reached")

func end(err error) {
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, "bench:", err)
	if errors.Is(err, errMissed) {
		os.Exit(1)
	}
	os.Exit(2)
}

// section is one thing that is measured: its text in Markdown, and the goals
// that it is about.
type section struct {
	name, title string
	measure     func(context.Context, *lab) (text string, goals []goal, err error)
}

func sections() []section {
	return []section{
		{"truth", "Truth", measureTruth},
		{"cost", "Cost to the program", measureCost},
		{"memory", "Memory of the tracer", measureMemory},
		{"attach", "Time to attach", measureAttach},
		{"several", "Several processes", measureSeveral},
		{"report", "Reports", measureReports},
	}
}

func sectionNames() []string {
	var names []string
	for _, s := range sections() {
		names = append(names, s.name)
	}
	return names
}

func bench(ctx context.Context, c config) (err error) {
	for _, name := range c.only {
		if !slices.Contains(sectionNames(), name) {
			return fmt.Errorf("there is no section %q; there are %s", name, strings.Join(sectionNames(), ", "))
		}
	}
	l, err := newLab(ctx, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	var texts strings.Builder
	var goals []goal
	for _, s := range sections() {
		if len(c.only) > 0 && !slices.Contains(c.only, s.name) {
			continue
		}
		fmt.Fprintf(os.Stderr, "%s\n", s.title)
		text, reached, err := s.measure(ctx, l)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		fmt.Fprintf(&texts, "\n### %s\n\n%s", s.title, text)
		goals = append(goals, reached...)
	}
	text := l.machine() + "\n\n" + goalTable(goals) + texts.String()
	fmt.Print(text)
	if c.write != "" {
		if err := insert(c.write, text); err != nil {
			return err
		}
	}
	if slices.ContainsFunc(goals, func(g goal) bool { return !g.reached }) {
		return errMissed
	}
	return nil
}
