package report

import (
	"slices"
	"strings"
	"time"

	"github.com/netpolltrace/netpolltrace/internal/recent"
	"github.com/netpolltrace/netpolltrace/wait"
)

// maxOwned is how many stacks an [OwnCode] remembers at least.
const maxOwned = 1 << 14

// OwnCode divides the code of recorded programs anew, as if what matches some
// patterns were the program's own too. It is for one goroutine.
type OwnCode struct {
	patterns []string
	unknown  *wait.Code           // of targets that a recording tells nothing of
	codes    map[int32]*wait.Code // by PID
	stacks   recent.Map[ownedStack, *wait.Stack]
}

// ownedStack is a stack of a program; two programs can share one.
type ownedStack struct {
	code  *wait.Code
	stack *wait.Stack
}

// NewOwnCode takes patterns as [wait.NewCode] does.
func NewOwnCode(patterns []string) *OwnCode {
	return &OwnCode{
		patterns: patterns, unknown: wait.NewCode(wait.Modules{}, patterns),
		stacks: recent.Map[ownedStack, *wait.Stack]{Limit: maxOwned},
	}
}

// Begin says of which recording the next waits are.
func (o *OwnCode) Begin(meta *wait.Meta) {
	o.codes = make(map[int32]*wait.Code)
	for i := range meta.Targets {
		o.join(&meta.Targets[i])
	}
}

// Event takes in a target that joins.
func (o *OwnCode) Event(e *wait.Event) {
	if change, ok := e.Detail.(*wait.TargetChange); ok && change.Target != nil {
		o.join(change.Target)
	}
}

func (o *OwnCode) join(t *wait.Target) {
	if t.Modules != nil && o.codes != nil {
		o.codes[int32(t.PID)] = wait.NewCode(*t.Modules, o.patterns)
	}
}

// Wait is the wait with its stack divided anew. It is valid as long as w is.
func (o *OwnCode) Wait(w *wait.Wait) *wait.Wait {
	if w.Stack == nil {
		return w
	}
	code := o.unknown
	if w.Process != nil && o.codes[w.Process.PID] != nil {
		code = o.codes[w.Process.PID]
	}
	key := ownedStack{code, w.Stack}
	stack, known := o.stacks.Get(key)
	if !known {
		stack = w.Stack.Owned(code)
		o.stacks.Put(key, stack)
	}
	owned := *w
	owned.Stack = stack
	return &owned
}

// ownStage is a [wait.Sink] that hands waits on as an [OwnCode] has them.
type ownStage struct {
	*OwnCode
	next wait.Sink
}

func (s ownStage) Wait(w *wait.Wait) error { return s.next.Wait(s.OwnCode.Wait(w)) }

func (s ownStage) Event(e *wait.Event) error {
	s.OwnCode.Event(e)
	return s.next.Event(e)
}

// ownHint is a path that could be the program's own code: of the frames nearest to
// the roots of stacks, the path that most time was waited below. It is empty where
// there is none, and where the program's own code is known to wait.
func ownHint(sums *tableSums, groups []group, targets []Target) string {
	var program, all time.Duration
	times := make(map[string]time.Duration)
	code := wait.NewCode(wait.Modules{}, nil)
	for n, g := range sums.groups {
		if g == nil || groups[n].stack == nil {
			continue
		}
		own, library := g.times()
		all += own + library
		if groups[n].stack.Own != "" {
			program += own
		} else if root := outermost(groups[n].stack, code); root != "" && plausible(root, targets) {
			times[root] += own + library
		}
	}
	if program > all/littleShare {
		return ""
	}
	hint := ""
	for path, d := range times {
		if most := times[hint]; d > most || d == most && path < hint {
			hint = path
		}
	}
	if times[hint] < all/littleShare {
		return ""
	}
	return hint
}

// outermost is the path of the outermost function that is not the standard
// library's, cut to what names its owner: github.com/acme.
func outermost(s *wait.Stack, code *wait.Code) string {
	for _, function := range wait.Unfold(s.Funcs) {
		if pkg := wait.PackagePath(function); pkg != "main" && code.Owner(wait.Frame{Func: function}) != wait.OwnerStandard {
			return ownerOf(pkg)
		}
	}
	return ""
}

// ownerOf is the beginning of an import path that names who owns it: its host and
// the next element.
func ownerOf(pkg string) string {
	elements := strings.SplitN(pkg, "/", 3)
	return strings.Join(elements[:min(len(elements), 2)], "/")
}

// plausible tells whether code of an owner can be a program's own: where modules or
// the main package name an owner, that one alone.
func plausible(owner string, targets []Target) bool {
	known := false
	for i := range targets {
		m := targets[i].Modules
		if m == nil {
			continue
		}
		for _, own := range append(slices.Clone(m.Own), m.MainPackage) {
			if !strings.Contains(own, ".") {
				continue // main, command-line-arguments
			}
			known = true
			if ownerOf(own) == owner {
				return true
			}
		}
	}
	return !known
}
