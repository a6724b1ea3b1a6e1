package dtrace

import (
	_ "embed"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template"

	"github.com/netpolltrace/netpolltrace/gobinary"
	"github.com/netpolltrace/netpolltrace/wait"
)

// ErrUnsupported is wrapped by errors about executables that no script can be
// made for.
var ErrUnsupported = errors.New("DTrace cannot record it")

// How many frames a script reads of the stack of who waits, and of who wakes; and
// how many events of one batch it tells.
const (
	parkFrames  = 16
	wakerFrames = 8
	batch       = 16
)

// Script is a D script for one executable.
type Script struct {
	Text string
	// Probes is what it probes, one line a probe.
	Probes []string
	// Unmeasured tells by part why this executable does not have it.
	Unmeasured map[wait.Part]string
}

//go:embed script.d.tmpl
var scriptText string

var scriptTemplate = template.Must(template.New("script").Parse(scriptText))

// NewScript makes the script that records an executable in a mode: [wait.ModeIO]
// or [wait.ModeAll]. An error that wraps [ErrUnsupported] tells why there is none.
func NewScript(b *gobinary.Binary, mode wait.Mode) (*Script, error) {
	v, err := newValues(b, mode)
	if err != nil {
		return nil, err
	}
	var text strings.Builder
	if err := scriptTemplate.Execute(&text, v); err != nil {
		return nil, fmt.Errorf("making the D script: %w", err)
	}
	return &Script{Text: text.String(), Probes: v.probes(), Unmeasured: v.unmeasured}, nil
}

// WriteTo writes the text.
func (s *Script) WriteTo(w io.Writer) (int64, error) {
	n, err := io.WriteString(w, s.Text)
	return int64(n), err
}

// values are what the template is filled with.
type values struct {
	registers
	gobinary.Layout
	platform platform
	binary   *gobinary.Binary

	OS, Arch, Go, BuildID string
	Mode                  wait.Mode
	All                   bool

	Park, NetpollReady, Ready, Resume string // probe descriptions
	ReadyPredicate                    string
	ResumeG                           string // the register that holds the goroutine which runs again
	Expired                           int
	IOWait                            int
	HasParent                         bool
	ParkFrames, WakerFrames           frames
	unmeasured                        map[wait.Part]string
}

func newValues(b *gobinary.Binary, mode wait.Mode) (*values, error) {
	system, known := platforms[b.OS]
	switch {
	case !known:
		return nil, fmt.Errorf("%w: it is for %s", ErrUnsupported, b.OS)
	case b.Stripped:
		return nil, fmt.Errorf("%w: it has no symbols (-ldflags=-s), by which DTrace finds functions; build it without", ErrUnsupported)
	case mode != wait.ModeIO && mode != wait.ModeAll:
		return nil, fmt.Errorf("mode %s: a D script records in mode io or all", mode)
	}
	layout, err := b.Layout()
	if err != nil {
		return nil, err
	}
	if layout.Guess {
		return nil, fmt.Errorf("%w: the offsets of %s are not known; build it without -ldflags=-w, or use a newer netpolltrace", ErrUnsupported, b.GoVersion)
	}
	v := &values{
		registers: registersOf[b.Arch], Layout: *layout, platform: system, binary: b,
		OS: b.OS, Arch: b.Arch, Go: word(b.GoVersion), BuildID: word(b.BuildID), Mode: mode, All: mode == wait.ModeAll,
		HasParent:  layout.G.ParentGoid != gobinary.NoField,
		ParkFrames: frames(parkFrames), WakerFrames: frames(wakerFrames),
		unmeasured: make(map[wait.Part]string),
	}
	reasons, err := b.WaitReasons()
	if err != nil {
		return nil, err
	}
	if v.IOWait = slices.Index(reasons, wait.ReasonIO); v.IOWait < 0 {
		return nil, fmt.Errorf("%w: its runtime has no wait reason %q", ErrUnsupported, wait.ReasonIO)
	}
	return v, v.place()
}

// place chooses the probes of the mode.
func (v *values) place() error {
	e := v.binary.Entries()
	entry := func(to *string, e gobinary.Entry, part wait.Part) error {
		if e.Func == "" {
			return fmt.Errorf("%w: a function of Go's runtime that would be probed is not in it", ErrUnsupported)
		}
		*to = "pid$target:a.out:" + e.Func + ":entry"
		if len(e.Inlined) > 0 {
			v.unmeasured[part] = fmt.Sprintf("%s is inlined into %s, whose calls are not seen", e.Func, strings.Join(e.Inlined, ", "))
		}
		return nil
	}
	err := entry(&v.NetpollReady, e.NetpollReady, wait.PartNetpoll)
	if v.All {
		v.Expired = e.ReadyExpired
		v.ResumeG, v.Return = v.A0, "(uint64_t)0"
		return errors.Join(err, entry(&v.Park, e.ParkM, wait.PartEnds), entry(&v.Ready, e.Ready, wait.PartBlocked),
			entry(&v.Resume, e.Execute, wait.PartEnds))
	}
	v.Expired = e.GoreadyExpired
	v.ReadyPredicate = fmt.Sprintf("/ *(uint8_t *)copyin((uint64_t)uregs[%s] + %d, 1) == %d/", v.A0, v.G.WaitReason, v.IOWait)
	v.ResumeG = v.RegG
	places, placesErr := v.binary.Places()
	if placesErr != nil {
		return placesErr
	}
	if !places.IOResume.Found() {
		return fmt.Errorf("%w: %s", ErrUnsupported, strings.Join(places.Missing, "; "))
	}
	v.Resume = fmt.Sprintf("pid$target:a.out:%s:%x", places.IOResume.Func, places.IOResume.Offset)
	return errors.Join(err, entry(&v.Park, e.Commit, wait.PartEnds), entry(&v.Ready, e.Goready, wait.PartOutcome))
}

// probes describes what is probed.
func (v *values) probes() []string {
	poll := "syscall::*kevent"
	if v.OS == "linux" {
		poll = "syscall::epoll_pwait"
	}
	return []string{
		"park: " + v.Park, "readiness and poll: " + poll, "made runnable by the netpoller: " + v.NetpollReady,
		"made runnable by others: " + v.Ready, "resume: " + v.Resume, "sends, receives and sockets: system calls",
	}
}

// harmless are the texts of a binary that are printed by a script.
var harmless = regexp.MustCompile(`^[0-9A-Za-z._/+-]+$`)

// word is a text from a binary as one word of a record: - for none, and for one
// that could end a string or a comment of the script.
func word(s string) string {
	s, _, _ = strings.Cut(s, " ")
	if !harmless.MatchString(s) || strings.Contains(s, "*/") {
		return "-"
	}
	return s
}

// The rest is what the template calls.

func (v *values) Title() string {
	return fmt.Sprintf("a program of %s for %s/%s, mode %s", v.Go, v.OS, v.Arch, v.Mode)
}
func (v *values) Command() string   { return "dtrace -q -s SCRIPT -p PID" }
func (v *values) Notes() []string   { return v.platform.notes }
func (v *values) ProcExit() bool    { return v.platform.procExit }
func (v *values) EventAt(i int) int { return i * v.platform.eventSize(v.binary) }
func (v *values) EventData() int    { return v.platform.eventData(v.binary) }

func (v *values) EventNumbers() []int {
	numbers := make([]int, batch)
	for i := range numbers {
		numbers[i] = i
	}
	return numbers
}

// Accept is the probe of the system call that accepts a connection.
func (v *values) Accept(at string) string { return "syscall::" + v.platform.accept + ":" + at }

// Address is the words of a sockaddr: what a sockaddr_in or sockaddr_in6 has.
// Of a shorter one no more is read than a sockaddr_in has; size is empty where the
// program made room for any.
func (v *values) Address(pointer, size string) string {
	inet6 := 28 // the size of a sockaddr_in6
	if size == "" {
		inet6 = 0 // there is room for any
	}
	word := func(offset, from, bytes int) string {
		if from == 0 {
			return fmt.Sprintf("*(uint%d_t *)copyin(%s + %d, %d)", 8*bytes, pointer, offset, bytes)
		}
		return fmt.Sprintf("%s >= %d ? *(uint%d_t *)copyin(%s + %d, %d) : 0", size, from, 8*bytes, pointer, offset, bytes)
	}
	return strings.Join([]string{word(0, 0, 8), word(8, 0, 8), word(16, inet6, 8), word(24, inet6, 4)}, ", ")
}

// frames is a number of frames that a script reads by frame pointers.
type frames int

// Levels are their numbers.
func (n frames) Levels() []string {
	levels := make([]string, n)
	for i := range levels {
		levels[i] = strconv.Itoa(i)
	}
	return levels
}

// Verbs print them.
func (n frames) Verbs() string { return strings.Repeat(" %x", int(n)) }

// Values are what is printed.
func (n frames) Values() string {
	var b strings.Builder
	for _, level := range n.Levels() {
		b.WriteString(", this->p" + level)
	}
	return b.String()
}
