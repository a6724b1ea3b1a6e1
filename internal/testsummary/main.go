// Command testsummary reads what go test -json writes and prints it for people:
// a line for each package, the output of tests that did not pass, why tests
// were skipped, and at the end how many passed, failed and were skipped.
// With -v it prints all that go test -v would, and at the end again what did not
// pass.
//
// Its exit status is 1 if a test failed, or if there was nothing to read.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

func main() {
	verbose := flag.Bool("v", false, "print the output of all tests")
	flag.Parse()
	s := newSummary(os.Stdout, *verbose)
	if err := errors.Join(s.read(os.Stdin), s.end()); err != nil {
		fmt.Fprintln(os.Stderr, "testsummary:", err)
		os.Exit(1)
	}
}

// event is a line of go test -json; see go doc test2json and go help buildjson.
type event struct {
	Action     string
	Package    string
	ImportPath string // of what was built
	Test       string
	Output     string
}

// test names one; a package as a whole has no name.
type test struct{ pkg, name string }

// summary adds up the events of a run.
type summary struct {
	out     *bufio.Writer
	verbose bool
	output  map[test][]string // of tests, packages and builds that are not over
	counts  map[string]int    // of tests, by how they ended
	failed  bool              // a test, a package or a build did
	again   []string          // the output of failures
}

func newSummary(out io.Writer, verbose bool) *summary {
	return &summary{
		out: bufio.NewWriter(out), verbose: verbose,
		output: make(map[test][]string), counts: make(map[string]int),
	}
}

// read takes in all events. A line that is none is passed through.
func (s *summary) read(in io.Reader) error {
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			s.line(line)
		}
		if lines.Buffered() == 0 {
			_ = s.out.Flush() // people wait for it; end says whether that worked
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("reading the tests' output: %w", err)
		}
	}
}

func (s *summary) line(line string) {
	var e event
	if err := json.Unmarshal([]byte(line), &e); err != nil || e.Action == "" {
		s.print(line)
		return
	}
	s.event(e)
}

func (s *summary) event(e event) {
	of := test{e.Package, e.Test}
	switch e.Action {
	case "output":
		s.outputOf(of, e.Output)
	case "build-output":
		s.print(e.Output)
		built := test{pkg: e.ImportPath}
		s.output[built] = append(s.output[built], e.Output)
	case "build-fail":
		s.ended(test{pkg: e.ImportPath}, "fail")
	case "pass", "fail", "skip":
		s.ended(of, e.Action)
	}
}

func (s *summary) outputOf(of test, text string) {
	switch {
	case s.verbose:
		s.print(text)
	case of.name == "" && text != "PASS\n" && text != "FAIL\n":
		s.print(text)
	}
	s.output[of] = append(s.output[of], text)
}

func (s *summary) ended(of test, how string) {
	output := slices.DeleteFunc(s.output[of], progress)
	delete(s.output, of)
	if how == "fail" {
		s.failed = true
		s.again = append(s.again, output...)
	}
	if of.name == "" {
		return
	}
	s.counts[how]++
	if how != "pass" && !s.verbose {
		s.print(output...)
	}
}

// progress tells whether go test says only that a test began or went on.
func progress(text string) bool {
	for _, mark := range [...]string{"=== RUN", "=== PAUSE", "=== CONT", "=== NAME"} {
		if strings.HasPrefix(text, mark) {
			return true
		}
	}
	return false
}

// print writes what came from elsewhere; end says whether that worked.
func (s *summary) print(texts ...string) {
	for _, text := range texts {
		_, _ = s.out.WriteString(text)
	}
}

// end prints the failures, if they are far above, and the figures.
func (s *summary) end() error {
	if s.verbose && len(s.again) > 0 {
		s.print("\nWhat did not pass, again:\n")
		s.print(s.again...)
	}
	fmt.Fprintf(s.out, "\n%d passed, %d failed, %d skipped\n", s.counts["pass"], s.counts["fail"], s.counts["skip"])
	if err := s.out.Flush(); err != nil {
		return fmt.Errorf("writing the summary: %w", err)
	}
	switch {
	case s.failed:
		return errors.New("not all tests passed")
	case len(s.counts) == 0:
		return errors.New("no test ran")
	}
	return nil
}
