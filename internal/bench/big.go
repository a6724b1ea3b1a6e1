package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// bigSize is how large a big program is.
type bigSize struct {
	packages  int
	functions int // of each package
	data      int // bytes that are embedded
}

// realSize is that of the largest servers: about 100 MB without symbols.
var realSize = bigSize{packages: 50, functions: 1300, data: 24 << 20}

// buildBig generates the source of the big program into a folder, compiles it
// and returns the path of the executable. The Go command's cache makes all but
// the first build fast. Without optimisation the build is faster and the code
// larger.
func buildBig(ctx context.Context, dir string, size bigSize) (string, error) {
	source := filepath.Join(dir, "big")
	files := map[string]string{"go.mod": "module big\n\ngo 1.18\n", "main.go": bigMain(size)}
	for i := range size.packages {
		files[fmt.Sprintf("p%d/p.go", i)] = bigPackage(i, size.functions)
	}
	files["data"] = strings.Repeat("big", size.data/3)
	for name, text := range files {
		path := filepath.Join(source, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return "", err
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return "", err
		}
	}
	path := filepath.Join(source, "big")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-gcflags=big/...=-N", "-ldflags=-s -w", "-o", path, ".")
	build.Dir = source
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the big program: %w\n%s", err, out)
	}
	return path, nil
}

// bigMain waits for the network, says that it is ready and ends when its
// standard input does.
func bigMain(size bigSize) string {
	var imports, calls strings.Builder
	for i := range size.packages {
		fmt.Fprintf(&imports, "\t\"big/p%d\"\n", i)
		fmt.Fprintf(&calls, "\tsum += len(p%d.Functions)\n", i)
	}
	return fmt.Sprintf(`package main

import (
	_ "embed"
	"fmt"
	"io"
	"net"
	"os"

%s)

//go:embed data
var data string

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go listener.Accept()
	sum := len(data)
%s	fmt.Println("ready", sum)
	io.Copy(io.Discard, os.Stdin)
}
`, &imports, &calls)
}

// bigPackage is a table of functions, so that the linker keeps them all. Each
// has a few calls that can be inlined, as code of people has.
func bigPackage(number, functions int) string {
	var source strings.Builder
	fmt.Fprintf(&source, "package p%d\n\nimport \"strconv\"\n\n", number)
	source.WriteString("func twice(n int) int { return n + n }\n\n")
	for i := range functions {
		fmt.Fprintf(&source, `func f%[1]d(words []string) (int, error) {
	sum := %[1]d
	for i, word := range words {
		n, err := strconv.Atoi(word)
		if err != nil {
			return twice(sum), err
		}
		switch {
		case n > %[1]d:
			sum += twice(n) + i
		case n < -%[1]d:
			sum -= twice(i)
		default:
			words[i] = strconv.Itoa(twice(n)) + word + "%[1]d"
		}
	}
	return sum, nil
}

`, i)
	}
	source.WriteString("var Functions = []func([]string) (int, error){\n")
	for i := range functions {
		fmt.Fprintf(&source, "\tf%d,\n", i)
	}
	source.WriteString("}\n")
	return source.String()
}
