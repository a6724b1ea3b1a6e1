package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// choice is a flag that takes one of several words.
type choice[T ~string] struct {
	value   *T
	choices []T
	what    string // for help
}

func (c *choice[T]) String() string { return string(*c.value) }
func (c *choice[T]) Type() string   { return c.what }

func (c *choice[T]) Set(text string) error {
	if !slices.Contains(c.choices, T(text)) {
		return fmt.Errorf("choose one of %s", list(c.choices))
	}
	*c.value = T(text)
	return nil
}

func list[T ~string](choices []T) string {
	texts := make([]string, len(choices))
	for i, choice := range choices {
		texts[i] = string(choice)
	}
	return strings.Join(texts, ", ")
}

// bounded is a flag that takes a number from 1 to a limit.
type bounded struct {
	value *int
	most  int
	power bool // of two
}

func (b *bounded) String() string { return strconv.Itoa(*b.value) }
func (b *bounded) Type() string   { return "N" }

func (b *bounded) Set(text string) error {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > b.most {
		return fmt.Errorf("give a number from 1 to %d", b.most)
	}
	if b.power && n&(n-1) != 0 {
		return fmt.Errorf("give a power of two from 1 to %d", b.most)
	}
	*b.value = n
	return nil
}

// span is a flag like 30s. It is not negative.
type span time.Duration

func (s *span) String() string { return time.Duration(*s).String() }
func (s *span) Type() string   { return "TIME" }

func (s *span) Set(text string) error {
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return fmt.Errorf("%q is not a time such as 30s", text)
	}
	*s = span(d)
	return nil
}

// percentage is a flag like 5%, kept as a share.
type percentage float64

func (p *percentage) String() string { return strconv.FormatFloat(100*float64(*p), 'g', -1, 64) + "%" }
func (p *percentage) Type() string   { return "PERCENT" }

func (p *percentage) Set(text string) error {
	value, err := strconv.ParseFloat(strings.TrimSuffix(text, "%"), 64)
	if err != nil || value < 0 || value > 100 {
		return fmt.Errorf("%q is not a percentage such as 5%%", text)
	}
	*p = percentage(value / 100)
	return nil
}

// pids is a flag that takes PIDs, separated by commas.
type pids []int

func (p *pids) String() string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint([]int(*p)), " ", ","), "[]")
}
func (p *pids) Type() string { return "PID" }

func (p *pids) Set(text string) error {
	for word := range strings.SplitSeq(text, ",") {
		n, err := parsePID(word)
		if err != nil {
			return err
		}
		*p = append(*p, n)
	}
	return nil
}

// pid is a flag that takes one.
type pid int

func (p *pid) String() string { return strconv.Itoa(int(*p)) }
func (p *pid) Type() string   { return "PID" }

func (p *pid) Set(text string) error {
	n, err := parsePID(text)
	*p = pid(n)
	return err
}

func parsePID(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("%q is no PID: give a number such as 4171", text)
	}
	return n, nil
}

// rows is a flag that takes how many rows are shown: -1 is all of them, 0 the choice
// of whoever shows them.
type rows int

func (r *rows) String() string { return strconv.Itoa(int(*r)) }
func (r *rows) Type() string   { return "N" }

func (r *rows) Set(text string) error {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 && n != -1 {
		return errors.New("give a number of rows from 1, or -1 for all")
	}
	*r = rows(n)
	return nil
}

// addOwn adds the flag that says which code is the program's own.
func addOwn(flags *pflag.FlagSet, patterns *[]string) {
	flags.StringSliceVar(patterns, "own", nil, "take code below these import `PATHS` for the program's own, too, such as github.com/acme")
}
