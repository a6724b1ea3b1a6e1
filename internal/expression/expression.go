// Package expression is the language of --filter and --rule: a condition on
// the fields of a Go struct, such as
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
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/vm"
)

// Bounds of an expression. One that a person writes stays far below them.
const (
	maxLength = 4096 // bytes
	maxNodes  = 1000 // of the syntax tree
)

// A Program is a compiled condition on an E: a struct whose fields carry the
// tag `expr:"name"` and, where they can be null, `null:"-1"` with the value
// that stands for null. Fields are bool, int, string or [time.Duration]. A
// Program is not safe for concurrent use.
type Program[E any] struct {
	text    string
	program *vm.Program
	machine vm.VM
}

// Compile compiles text. Its error is one line that says where the text is
// wrong and which names there are.
func Compile[E any](text string) (*Program[E], error) {
	if len(text) > maxLength {
		return nil, fmt.Errorf("the expression is %d bytes long: shorten it to %d", len(text), maxLength)
	}
	fields, err := fieldsOf(reflect.TypeFor[E]())
	if err != nil {
		return nil, err
	}
	source := rewriteDurations(text)
	guard := &guard{nulls: fields.nulls}
	program, err := expr.Compile(source.text, options(*new(E), guard)...)
	if err == nil {
		err = guard.err
	}
	if err != nil {
		return nil, explain(err, source, fields.names)
	}
	return &Program[E]{text: text, program: program}, nil
}

// Match tells whether the condition holds for env. It fails only for
// operations without a result, such as an integer modulo zero.
func (p *Program[E]) Match(env *E) (bool, error) {
	result, err := p.machine.Run(p.program, env)
	if err != nil {
		return false, fmt.Errorf("evaluating %q: %s", p.text, firstLine(err))
	}
	matched, _ := result.(bool)
	return matched, nil
}

func options(env any, guard *guard) []expr.Option {
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

// fields is what the tags of a struct say.
type fields struct {
	names []string
	nulls map[string]any // by name: the value that stands for null
}

func fieldsOf(env reflect.Type) (fields, error) {
	found := fields{nulls: map[string]any{}}
	for f := range env.Fields() {
		name := f.Tag.Get("expr")
		found.names = append(found.names, name)
		null, ok := f.Tag.Lookup("null")
		if !ok {
			continue
		}
		n, err := strconv.Atoi(null)
		if err != nil {
			return fields{}, fmt.Errorf("null value of field %s: %w", name, err)
		}
		found.nulls[name] = reflect.ValueOf(n).Convert(f.Type).Interface()
	}
	return found, nil
}

// guard changes the syntax tree so that comparisons with null are false, makes
// constants of the durations in it and refuses what the language leaves out.
type guard struct {
	nulls map[string]any
	err   error
}

// Visit implements [ast.Visitor].
func (g *guard) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.BuiltinNode:
		g.constant(node, n)
	case *ast.BinaryNode:
		if isComparison(n.Operator) {
			g.compare(node, n)
		}
	case *ast.VariableDeclaratorNode, *ast.SequenceNode, *ast.PredicateNode, *ast.MapNode, *ast.MemberNode:
		g.refuse(*node, "only conditions on the names below are understood here")
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

// compare puts `a != null && b != null &&` before a comparison in which a and
// b can be null.
func (g *guard) compare(node *ast.Node, comparison *ast.BinaryNode) {
	inside := &nullable{nulls: g.nulls, seen: map[string]bool{}}
	ast.Walk(&comparison.Left, inside)
	ast.Walk(&comparison.Right, inside)
	var guarded ast.Node = comparison
	for _, name := range inside.names {
		measured := &ast.BinaryNode{
			Operator: "!=",
			Left:     &ast.IdentifierNode{Value: name},
			Right:    &ast.ConstantNode{Value: g.nulls[name]},
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

// nullable collects the names in a tree that can be null.
type nullable struct {
	nulls map[string]any
	seen  map[string]bool
	names []string
}

// Visit implements [ast.Visitor].
func (v *nullable) Visit(node *ast.Node) {
	id, ok := (*node).(*ast.IdentifierNode)
	if !ok || v.seen[id.Value] {
		return
	}
	if _, ok := v.nulls[id.Value]; ok {
		v.seen[id.Value] = true
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
	message = strings.ReplaceAll(message, "time.Duration", "duration")
	if strings.Contains(message, "mismatched types") && strings.Contains(message, "duration") {
		message += ", a duration needs a unit, as in 5ms"
	}
	return fmt.Errorf("%s%s; names: %s", where, message, strings.Join(names, ", "))
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
