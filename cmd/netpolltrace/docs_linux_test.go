package main

import (
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/netpolltrace/netpolltrace/report"
	"github.com/netpolltrace/netpolltrace/report/render"
)

// These tests hold the documents against the commands; scripts run them.

// top is the top of the source tree, seen from here.
const top = "../.."

// documents are the Markdown files that are read by users.
func documents(t *testing.T) []string {
	t.Helper()
	var paths []string
	for _, pattern := range []string{"*.md", "docs/*.md"} {
		found, err := filepath.Glob(filepath.Join(top, pattern))
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, found...)
	}
	if len(paths) < 5 {
		t.Fatalf("found only %v", paths)
	}
	return paths
}

func readDocument(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A command in a document stands in a code block, or between backquotes.
var (
	commandLine = regexp.MustCompile(`(?m)^    (?:sudo )?((?:netpolltrace|make|go install|go run|go test) \S.*)$`)
	inlineSpan  = regexp.MustCompile("`(?:sudo )?((?:netpolltrace|make) [^`]+)`")
)

func commandsIn(text string) []string {
	var commands []string
	for _, pattern := range []*regexp.Regexp{commandLine, inlineSpan} {
		for _, match := range pattern.FindAllStringSubmatch(text, -1) {
			commands = append(commands, strings.ReplaceAll(match[1], "\n", " "))
		}
	}
	return commands
}

// shellWords are the words of a command up to a pipe, a redirection or a comment.
func shellWords(command string) []string {
	var words []string
	for _, word := range regexp.MustCompile(`'[^']*'|"[^"]*"|\S+`).FindAllString(command, -1) {
		if slices.Contains([]string{"|", ">", "#", "&&", ";"}, word) {
			break
		}
		if quote := word[0]; quote == '\'' || quote == '"' {
			word = word[1 : len(word)-1]
		}
		words = append(words, word)
	}
	return words
}

// meant stands for words that a reader is to replace.
var meant = map[string]string{"PID": "4171", "NAME": "checkout-api", "COMMAND": "./checkout-api"}

// parse reads a command line as netpolltrace would, without obeying it.
func parse(args []string) error {
	for i, arg := range args {
		if value, ok := meant[arg]; ok {
			args[i] = value
		}
	}
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(io.Discard)
	var check func(*cobra.Command)
	check = func(c *cobra.Command) {
		if c.RunE != nil {
			c.RunE = checkWords
		}
		for _, sub := range c.Commands() {
			check(sub)
		}
	}
	check(root)
	return root.Execute()
}

// checkWords is what parse runs instead of a command.
func checkWords(c *cobra.Command, _ []string) error {
	for flag, known := range map[string]func(string) error{
		"by":     func(v string) error { _, err := report.ParseKeys(v); return err },
		"sort":   func(v string) error { _, err := report.NewBuilder(report.Options{Sort: v}); return err },
		"filter": func(v string) error { _, err := report.NewFilter(v); return err },
	} {
		if f := c.Flags().Lookup(flag); f != nil && f.Changed {
			if err := known(f.Value.String()); err != nil {
				return err
			}
		}
	}
	if f := c.Flags().Lookup("format"); f != nil && f.Changed && c.Name() == "report" {
		if _, err := render.ByName(f.Value.String()); err != nil {
			return err
		}
	}
	return nil
}

func TestCommandsInDocumentsExist(t *testing.T) {
	makefile := readDocument(t, filepath.Join(top, "Makefile"))
	checked := 0
	for _, path := range documents(t) {
		for _, command := range commandsIn(readDocument(t, path)) {
			words := shellWords(command)
			checked++
			switch words[0] {
			case "netpolltrace":
				if err := parse(words[1:]); err != nil {
					t.Errorf("%s: %s: %v", path, command, err)
				}
			case "make":
				if !strings.Contains(makefile, "\n"+words[1]+":") {
					t.Errorf("%s: %s: the Makefile has no such target", path, command)
				}
			case "go":
				checkGo(t, path, words)
			}
		}
	}
	if checked < 20 {
		t.Errorf("only %d commands were found", checked)
	}
}

// checkGo looks whether the packages that a go command names are there.
func checkGo(t *testing.T, path string, words []string) {
	t.Helper()
	for _, word := range words {
		word, ours := strings.CutPrefix(word, "github.com/netpolltrace/netpolltrace/")
		if !ours {
			if word, ours = strings.CutPrefix(word, "./"); !ours || word == "..." {
				continue
			}
		}
		folder, _, _ := strings.Cut(word, "@")
		if _, err := os.Stat(filepath.Join(top, strings.TrimSuffix(folder, "/..."))); err != nil {
			t.Errorf("%s: %s: %v", path, strings.Join(words, " "), err)
		}
	}
}

func TestExamplesInHelpExist(t *testing.T) {
	var check func(*cobra.Command)
	check = func(c *cobra.Command) {
		for line := range strings.Lines(c.Example) {
			_, command, found := strings.Cut(line, "netpolltrace ")
			if !found || strings.Contains(line, "-exec") {
				continue
			}
			if err := parse(shellWords(command)); err != nil {
				t.Errorf("%s: example %q: %v", c.CommandPath(), strings.TrimSpace(line), err)
			}
		}
		for _, sub := range c.Commands() {
			check(sub)
		}
	}
	check(newRoot())
}

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
)

func TestLinksInDocumentsLeadSomewhere(t *testing.T) {
	for _, path := range documents(t) {
		for _, match := range link.FindAllStringSubmatch(readDocument(t, path), -1) {
			to, err := url.Parse(match[1])
			if err != nil {
				t.Errorf("%s: %v", path, err)
				continue
			}
			if to.Scheme != "" {
				continue
			}
			target := path
			if to.Path != "" {
				target = filepath.Join(filepath.Dir(path), to.Path)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: link %s: %v", path, match[1], err)
				continue
			}
			if to.Fragment != "" && !slices.Contains(anchors(readDocument(t, target)), to.Fragment) {
				t.Errorf("%s: link %s: no such heading", path, match[1])
			}
		}
	}
}

// anchors are the names that GitHub gives to headings.
func anchors(text string) []string {
	var names []string
	for _, match := range heading.FindAllStringSubmatch(text, -1) {
		name := strings.ToLower(strings.TrimSpace(match[1]))
		name = regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(name, "")
		names = append(names, strings.ReplaceAll(name, " ", "-"))
	}
	return names
}

// Each command has to be explained where people look first.
func TestDocumentsNameEachCommand(t *testing.T) {
	readme := readDocument(t, filepath.Join(top, "README.md"))
	for _, c := range newRoot().Commands() {
		if c.Hidden || c.Name() == "help" || c.Name() == "completion" {
			continue
		}
		if !strings.Contains(readme, c.Name()) {
			t.Errorf("README.md does not name the command %s", c.Name())
		}
		if c.Long == "" || c.Short == "" {
			t.Errorf("the command %s has no help", c.Name())
		}
	}
}

// Files that say under which licence something stands must be there.
func TestLicencesAreThere(t *testing.T) {
	for _, name := range []string{"LICENSE", "bpf/LICENSE.md", "bpf/LICENSE-GPL-2.0", "bpf/LICENSE-BSD-3-Clause"} {
		if _, err := fs.Stat(os.DirFS(top), name); err != nil {
			t.Error(err)
		}
	}
	sources, err := filepath.Glob(filepath.Join(top, "bpf/*.[ch]"))
	if err != nil || len(sources) == 0 {
		t.Fatalf("no sources of kernel programs: %v", err)
	}
	for _, path := range sources {
		if !strings.Contains(readDocument(t, path), "SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause") {
			t.Errorf("%s does not say its licence", path)
		}
	}
}
