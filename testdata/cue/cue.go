// Package cue is the conversation between a program here and the test that
// started it: one line each way, so that neither has to sleep and hope.
//
//	program            test
//	ready          ─▶             it is set up; attach now
//	               ◀─  run 2s     a command and its arguments
//	done trips=17  ─▶             it is over; detach now
//
// A program ends when its standard input does, so that none outlives its test.
package cue

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"time"
)

// Limit is how long a program may live, whatever its test forgets.
const Limit = 5 * time.Minute

// Command does what a line of standard input asks for and returns what there
// is to say about it, as key=value words.
type Command func(args []string) (result string, err error)

// Serve says ready, with words as key=value pairs about the program, then
// obeys commands until standard input ends. It exits with status 1 when a
// command fails or is unknown.
func Serve(words string, commands map[string]Command) {
	time.AfterFunc(Limit, func() { fail(fmt.Errorf("still running after %v", Limit)) })
	say("ready", words)
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) == 0 {
			continue
		}
		command, ok := commands[fields[0]]
		if !ok {
			fail(fmt.Errorf("unknown command %q", fields[0]))
		}
		result, err := command(fields[1:])
		if err != nil {
			fail(fmt.Errorf("command %s: %w", fields[0], err))
		}
		say("done", result)
	}
}

// Check ends the program with status 1 if err is an error. It is for the
// setting up before [Serve].
func Check(err error) {
	if err != nil {
		fail(err)
	}
}

func say(word, rest string) {
	fmt.Println(strings.TrimSpace(word + " " + rest))
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
