package render

import (
	"strings"
	"testing"
)

func TestNamesAreCutOnATerminalOnly(t *testing.T) {
	name := strings.Repeat("long-", 60) + "name:5432"
	g := grid{
		columns: []column{{head: "PEER", left: true}, {head: "waits"}},
		rows:    []gridRow{{cells: []string{name, "1"}, below: []string{name}}},
		after:   []string{"Still open: 1, oldest 9.1 s (" + name + ")"},
	}
	for width, want := range map[int]int{0: 3, 80: 0} {
		out := newTerminal(Options{Width: width})
		if err := out.grid(g); err != nil {
			t.Fatal(err)
		}
		if got := strings.Count(out.out.String(), name); got != want {
			t.Errorf("of a width of %d the whole name is in the output %d times, want %d:\n%s", width, got, want, out.out.String())
		}
	}
}
