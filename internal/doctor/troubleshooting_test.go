package doctor

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const troubleshooting = "../../docs/troubleshooting.md"

// Each heading of docs/troubleshooting.md is a message of this program. When a
// message is changed, its heading has to be changed with it.
func TestHeadingsOfTroubleshootingAreMessages(t *testing.T) {
	headings := messageHeadings(t)
	if len(headings) < 10 {
		t.Fatalf("%d headings in %s", len(headings), troubleshooting)
	}
	texts := stringsOfSources(t, "../..")
	for _, heading := range headings {
		if !isMessage(heading, texts) {
			t.Errorf("%q is no text in the sources", heading)
		}
	}
}

// isMessage tells whether a heading stands in one of the texts, or is a text of
// its own followed by one that wraps it.
func isMessage(heading string, texts []string) bool {
	if anyMatches(texts, messagePattern(heading)) {
		return true
	}
	inner, rest, ok := strings.Cut(heading, ": ")
	return ok && slices.Contains(texts, inner) && anyMatches(texts, "%w: "+messagePattern(rest))
}

func anyMatches(texts []string, pattern string) bool {
	expression := regexp.MustCompile(pattern)
	return slices.ContainsFunc(texts, expression.MatchString)
}

var placeholder = regexp.MustCompile(`<[a-z ]+>`)

// messagePattern matches the format strings that print as the heading: a
// placeholder in it stands for one verb.
func messagePattern(heading string) string {
	const verb = `%[-+# 0-9.]*[a-z]`
	var quoted []string
	for _, literal := range placeholder.Split(heading, -1) {
		quoted = append(quoted, regexp.QuoteMeta(literal))
	}
	return strings.Join(quoted, verb)
}

// messageHeadings are the headings in code font.
func messageHeadings(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(troubleshooting)
	if err != nil {
		t.Fatal(err)
	}
	var headings []string
	for _, match := range regexp.MustCompile("(?m)^### `(.*)`$").FindAllStringSubmatch(string(text), -1) {
		headings = append(headings, match[1])
	}
	return headings
}

// stringsOfSources lists the strings in the Go files of a tree, without tests
// and without the programs that tests trace.
func stringsOfSources(t *testing.T, root string) []string {
	t.Helper()
	var texts []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && entry.Name() == "testdata":
			return filepath.SkipDir
		case entry.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if e, ok := n.(ast.Expr); ok {
				if text, ok := constant(e); ok {
					texts = append(texts, text)
					return false
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return texts
}

// constant is the value of a string, or of several that are added.
func constant(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		if e.Kind != token.STRING {
			return "", false
		}
		text, err := strconv.Unquote(e.Value)
		return text, err == nil
	case *ast.BinaryExpr:
		left, leftOK := constant(e.X)
		right, rightOK := constant(e.Y)
		return left + right, leftOK && rightOK
	}
	return "", false
}

func TestATextIsFoundBehindItsHeading(t *testing.T) {
	texts := []string{"no process with PID %d here: find it", "unsupported", "%w: it was built by %s; build it again"}
	for heading, want := range map[string]bool{
		"no process with PID <pid> here":           true,
		"no process with PID <pid> there":          false,
		"no process with PID 7 here":               false,
		"unsupported: it was built by <version>":   true,
		"unknown: it was built by <version>":       false,
		"unsupported: it was written by <version>": false,
	} {
		if isMessage(heading, texts) != want {
			t.Errorf("%q is a message: %t, want %t", heading, !want, want)
		}
	}
}

// Who has a problem wants to know three things.
func TestEachMessageHasCauseCheckAndFix(t *testing.T) {
	text, err := os.ReadFile(troubleshooting)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range strings.Split(string(text), "\n### ")[1:] {
		heading, body, _ := strings.Cut(entry, "\n")
		at := -1
		for _, part := range []string{"\n**Cause.** ", "\n**Check.** ", "\n**Fix.** "} {
			next := strings.Index(body, part)
			if next <= at {
				t.Errorf("%s: no %q, or not in this order", heading, strings.TrimSpace(part))
			}
			at = next
		}
	}
}
