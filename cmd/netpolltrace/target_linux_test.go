package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// said keeps what the user is told.
type said []string

func (s *said) say(text string) { *s = append(*s, text) }

var errNotGo = errors.New("not a Go executable")

// recordOdd can do something with odd numbers alone.
func recordOdd(pid int) (string, error) {
	if pid%2 == 0 {
		return "", fmt.Errorf("process %d: %w", pid, errNotGo)
	}
	return fmt.Sprint(pid), nil
}

func TestAProcessThatIsNamedByItsPIDMustBeOfUse(t *testing.T) {
	var told said
	used, err := use(&found{pids: []int{1, 2, 3}}, []int{1, 2, 3}, told.say, recordOdd)
	if !errors.Is(err, errNotGo) || !slices.Equal(used, []string{"1"}) || len(told) != 0 {
		t.Errorf("used %q, said %q, %v; want the first, nothing and %v", used, told, err, errNotGo)
	}
}

func TestOfProcessesWithANameThoseThatAreOfUseAreUsed(t *testing.T) {
	var told said
	used, err := use(&found{names: []string{"shop"}}, []int{1, 2, 3}, told.say, recordOdd)
	if err != nil || !slices.Equal(used, []string{"1", "3"}) {
		t.Errorf("used %q, %v; want 1 and 3", used, err)
	}
	if want := (said{"left out: process 2: not a Go executable"}); !slices.Equal(told, want) {
		t.Errorf("said %q, want %q", told, want)
	}
}

func TestProcessesWithANameOfWhichNoneIsOfUseAreAnError(t *testing.T) {
	for _, c := range []struct {
		pids []int
		want string
	}{
		{[]int{2}, "process 2: not a Go executable"},
		{[]int{2, 4}, `none of 2 processes called "shop" or "stock" can be used; the first of them: process 2: not a Go executable`},
	} {
		var told said
		_, err := use(&found{names: []string{"shop", "stock"}}, c.pids, told.say, recordOdd)
		if err == nil || err.Error() != c.want || len(told) != 0 {
			t.Errorf("said %q, %v; want nothing and %s", told, err, c.want)
		}
	}
}

func TestMoreProcessesThanCanBeRecorded(t *testing.T) {
	var told said
	named := &found{pids: []int{4, 5, 6}, names: []string{"shop"}}
	if err := named.limit(2, told.say); err != nil || !slices.Equal(named.pids, []int{4, 5}) || len(told) != 1 ||
		!strings.HasPrefix(told[0], `3 processes are called "shop": recording no more than 2 of them`) {
		t.Errorf("of a name %v are left, said %q, %v", named.pids, told, err)
	}
	if err := (&found{pids: []int{4, 5, 6}}).limit(2, told.say); err == nil || !strings.Contains(err.Error(), "give 2 at most") {
		t.Errorf("three PIDs: %v", err)
	}
	if err := (&found{pids: []int{4, 5}}).limit(2, told.say); err != nil || len(told) != 1 {
		t.Errorf("two PIDs: %v, said %q", err, told)
	}
}

func TestAProcessThatIsGivenTwiceIsOne(t *testing.T) {
	f, err := (&targetFlags{pids: []int{7, 5, 7}}).find()
	if err != nil || !slices.Equal(f.pids, []int{7, 5}) {
		t.Errorf("found %+v, %v; want 7 and 5", f, err)
	}
}
