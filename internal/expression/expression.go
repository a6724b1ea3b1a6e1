// Package expression is the language of --filter and --rule: a condition on
// named fields, such as
//
//	total > 2ms && peer == "db:5432"
//
// It is the language of github.com/expr-lang/expr with three additions:
//
//   - Durations are written as Go writes them (2ms, 1.5s, 1h30m). They are
//     compared with durations only, may be multiplied and divided by numbers,
//     and a duration divided by a duration is a number.
//   - A field can be null (a part that was not measured). A comparison in
//     which a null takes part is false: >, <, ==, != and in alike.
//   - What loops or allocates without a bound (closures, variables, maps and
//     most built-in functions) is left out.
package expression

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/vm"

	"github.com/netpolltrace/netpolltrace/internal/nearest"
)

// Bounds of an expression. One that a person writes stays far below them.
const (
	maxLength = 4096 // bytes
	maxNodes  = 1000 // of the syntax tree
)

// Field is a name that conditions on an E know.
type Field[E any] struct {
	name     string
	zero     any // of the field's type
	nullable bool
	get      func(*E) any // nil is null
}

// Name is what conditions call the field.
func (f *Field[E]) Name() string { return f.name }

// value is what a field can be.
type value interface {
	bool | int | string | time.Duration
}

// Always is a field that is never null.
func Always[E any, T value](name string, get func(*E) T) Field[E] {
	var zero T
	return Field[E]{name: name, zero: zero, get: func(e *E) any { return get(e) }}
}

// Nullable is a field whose value get returns, and whether it has one: it is
// null otherwise.
func Nullable[E any, T value](name string, get func(*E) (value T, known bool)) Field[E] {
	var zero T
	return Field[E]{name: name, zero: zero, nullable: true, get: func(e *E) any {
		if value, known := get(e); known {
			return value
		}
		return nil
	}}
}

// A Program is a compiled condition on an E. It is not safe for concurrent use.
type Program[E any] struct {
	text    string
	program *vm.Program
	machine vm.VM
	used    []Field[E]     // what the condition names
	values  map[string]any // of those, in the E at hand
}

// Compile compiles text, which may name the fields. Its error is one line that
// says where the text is wrong, and for an unknown name which others are like it.
func Compile[E any](text string, fields []Field[E]) (*Program[E], error) {
	if len(text) > maxLength {
		return nil, fmt.Errorf("the expression is %d bytes long: shorten it to %d", len(text), maxLength)
	}
	names := make([]string, len(fields))
	zeros := make(map[string]any, len(fields))
	guard := &guard{nullable: map[string]bool{}, used: map[string]bool{}}
	for i, f := range fields {
		names[i] = f.name
		zeros[f.name] = f.zero
		guard.nullable[f.name] = f.nullable
	}
	source := rewriteDurations(text)
	program, err := expr.Compile(source.text, options(zeros, guard)...)
	if err == nil {
		err = guard.err
	}
	if err != nil {
		return nil, explain(err, source, names)
	}
	p := &Program[E]{text: text, program: program, values: map[string]any{}}
	for _, f := range fields {
		if guard.used[f.name] {
			p.used = append(p.used, f)
		}
	}
	return p, nil
}

// Match tells whether the condition holds for e. It fails only for operations
// without a result, such as an integer modulo zero.
func (p *Program[E]) Match(e *E) (bool, error) {
	for i := range p.used {
		p.values[p.used[i].name] = p.used[i].get(e)
	}
	result, err := p.machine.Run(p.program, p.values)
	if err != nil {
		return false, fmt.Errorf("evaluating %q: %s", p.text, firstLine(err))
	}
	matched, _ := result.(bool)
	return matched, nil
}

func options(env map[string]any, guard *guard) []expr.Option {
	return []expr.Option{
		expr.Env(env),
		expr.AsBool(),
		expr.MaxNodes(maxNodes),
		expr.DisableAllBuiltins(),
		expr.EnableBuiltin("duration"),
		expr.EnableBuiltin("len"),
		expr.EnableBuiltin("lower"),
		expr.EnableBuiltin("upper"),
		expr.EnableBuiltin("max"),
		expr.EnableBuiltin("min"),
		expr.Function("ratio", ratio, new(func(time.Duration, time.Duration) float64)),
		expr.Function("part", part,
			new(func(time.Duration, int) time.Duration), new(func(time.Duration, float64) time.Duration)),
		expr.Function("times", times,
			new(func(time.Duration, float64) time.Duration), new(func(float64, time.Duration) time.Duration)),
		expr.Operator("/", "ratio", "part"),
		expr.Operator("*", "times"),
		expr.Patch(guard),
	}
}

// ratio, part and times are the operations on durations that the library does
// not have. It checks the types of their arguments when it compiles.

func ratio(args ...any) (any, error) {
	return number(args[0]) / number(args[1]), nil
}

func part(args ...any) (any, error) {
	return time.Duration(number(args[0]) / number(args[1])), nil
}

func times(args ...any) (any, error) {
	return time.Duration(number(args[0]) * number(args[1])), nil
}

func number(v any) float64 {
	switch v := v.(type) {
	case time.Duration:
		return float64(v)
	case int:
		return float64(v)
	case float64:
		return v
	}
	return 0
}

// guard changes the syntax tree so that comparisons with null are false, makes
// constants of the durations in it, refuses what the language leaves out and
// notes the fields that are named.
type guard struct {
	nullable map[string]bool // by the names of fields
	used     map[string]bool
	err      error
}

// Visit implements [ast.Visitor].
func (g *guard) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.IdentifierNode:
		g.used[n.Value] = true
	case *ast.BuiltinNode:
		g.constant(node, n)
	case *ast.BinaryNode:
		if isComparison(n.Operator) {
			g.compare(node, n)
		}
	case *ast.VariableDeclaratorNode, *ast.SequenceNode, *ast.PredicateNode, *ast.MapNode, *ast.MemberNode:
		g.refuse(*node, "only conditions on what waits have are understood here")
	}
}

func (g *guard) constant(node *ast.Node, call *ast.BuiltinNode) {
	if call.Name != "duration" || len(call.Arguments) != 1 {
		return
	}
	text, ok := call.Arguments[0].(*ast.StringNode)
	if !ok {
		g.refuse(call, "a duration is written as a constant, such as 2ms")
		return
	}
	d, err := time.ParseDuration(text.Value)
	if err != nil {
		g.refuse(call, err.Error())
		return
	}
	ast.Patch(node, &ast.ConstantNode{Value: d})
}

// compare puts `a != nil && b != nil &&` before a comparison in which a and b
// can be null.
func (g *guard) compare(node *ast.Node, comparison *ast.BinaryNode) {
	inside := &nulls{nullable: g.nullable}
	ast.Walk(&comparison.Left, inside)
	ast.Walk(&comparison.Right, inside)
	var guarded ast.Node = comparison
	for _, name := range inside.names {
		measured := &ast.BinaryNode{
			Operator: "!=",
			Left:     &ast.IdentifierNode{Value: name},
			Right:    &ast.NilNode{},
		}
		guarded = &ast.BinaryNode{Operator: "&&", Left: measured, Right: guarded}
	}
	if guarded != ast.Node(comparison) {
		ast.Patch(node, guarded)
	}
}

func (g *guard) refuse(node ast.Node, message string) {
	if g.err == nil {
		g.err = &file.Error{Location: node.Location(), Column: node.Location().From, Message: message}
	}
}

func isComparison(operator string) bool {
	switch operator {
	case "==", "!=", "<", "<=", ">", ">=", "in":
		return true
	}
	return false
}

// nulls collects the fields in a tree that can be null.
type nulls struct {
	nullable map[string]bool
	names    []string
}

// Visit implements [ast.Visitor].
func (v *nulls) Visit(node *ast.Node) {
	id, ok := (*node).(*ast.IdentifierNode)
	if ok && v.nullable[id.Value] && !slices.Contains(v.names, id.Value) {
		v.names = append(v.names, id.Value)
	}
}

// explain makes one line of a compiler's error.
func explain(err error, source rewritten, names []string) error {
	where, message := "", firstLine(err)
	var at *file.Error
	if errors.As(err, &at) {
		where = fmt.Sprintf("column %d: ", source.column(at.Column)+1)
		message = at.Message
	}
	return errors.New(where + plain(message, names))
}

// plain says in the words of conditions what the compiler says in its own.
func plain(message string, names []string) string {
	message = strings.ReplaceAll(message, "time.Duration", "duration")
	for _, w := range wordings {
		if strings.HasPrefix(message, w.compiler) {
			return w.ours
		}
	}
	if name, ok := strings.CutPrefix(message, "unknown name "); ok {
		return message + nearest.Question(name, names)
	}
	if token, ok := strings.CutPrefix(message, "unexpected token "); ok {
		return tokenText(token) + " is not expected here: conditions are joined by && or ||, and texts are in quotes"
	}
	if strings.Contains(message, "mismatched types") && strings.Contains(message, "duration") {
		message += ", a duration needs a unit, as in 5ms"
	}
	return message
}

// wordings are messages of the compiler that say little to somebody who has
// written a condition, by their beginnings.
var wordings = []struct{ compiler, ours string }{
	{"unexpected token EOF", "something is missing at the end"},
	{`unexpected token Operator("=")`, "one = compares nothing: write =="},
	{"literal not terminated", "the text has no closing quote"},
	{"expected bool", "this is no condition: compare it with something, as in total > 2ms"},
	{"non-bool expression", "this is no condition: compare it with something, as in total > 2ms"},
}

// tokenText is what the compiler calls Bracket(")"), as it was written.
func tokenText(token string) string {
	_, text, _ := strings.Cut(token, "(")
	return strings.TrimSuffix(text, ")")
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
