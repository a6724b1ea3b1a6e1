package vm

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"
)

// Test is how a test in a machine ended.
type Test struct {
	Name   string // from its function down: TestBackends/fentry/io
	Action string // pass, fail or skip; empty if the machine did not get to its end
	Took   time.Duration
	Output string
}

// tests reads the output of a verbose test.
func tests(console []byte) ([]Test, error) {
	convert := exec.Command("go", "tool", "test2json", "-t")
	convert.Stdin = bytes.NewReader(console)
	events, err := convert.Output()
	if err != nil {
		return nil, fmt.Errorf("reading the tests of a machine: %w", err)
	}
	var seen []*Test
	byName := make(map[string]*Test)
	lines := json.NewDecoder(bytes.NewReader(events))
	for {
		var event struct {
			Action, Test, Output string
			Elapsed              float64 // seconds
		}
		if err := lines.Decode(&event); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("reading the tests of a machine: %w", err)
		}
		if event.Test == "" {
			continue
		}
		test := byName[event.Test]
		if test == nil {
			test = &Test{Name: event.Test}
			byName[event.Test] = test
			seen = append(seen, test)
		}
		switch event.Action {
		case "output":
			test.Output += event.Output
		case "pass", "fail", "skip":
			test.Action, test.Took = event.Action, time.Duration(event.Elapsed*float64(time.Second))
		}
	}
	return leaves(seen), nil
}

// leaves are the tests without tests below them.
func leaves(all []*Test) []Test {
	var list []Test
	for _, test := range all {
		below := false
		for _, other := range all {
			below = below || strings.HasPrefix(other.Name, test.Name+"/")
		}
		if !below {
			list = append(list, *test)
		}
	}
	return list
}
