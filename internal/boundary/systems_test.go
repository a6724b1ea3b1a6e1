package boundary

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/go/packages"
)

// Recording works on Linux alone; reading recordings works everywhere. What is built
// for other systems is type-checked with its tests, so that it does not rot.
func TestPackagesFitTheSystemsTheyAreFor(t *testing.T) {
	var all, portable []string
	for _, p := range rows {
		all = append(all, "./"+p.folder)
		if p.portable {
			portable = append(portable, "./"+p.folder)
		}
	}
	for _, c := range []struct {
		system, arch string
		packages     []string
	}{
		{"linux", "arm64", all},
		{"darwin", "arm64", portable},
		{"freebsd", "amd64", portable},
		{"windows", "amd64", portable},
	} {
		t.Run(c.system+"/"+c.arch, func(t *testing.T) { typeCheck(t, c.system, c.arch, c.packages) })
	}
}

// typeCheck reports what a compiler would refuse in packages of ours and their
// tests. Of the packages of others only the declarations are read: to compile these
// for each system would take minutes.
func typeCheck(t *testing.T, system, arch string, patterns []string) {
	t.Helper()
	top, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := packages.Load(&packages.Config{
		Mode: packages.NeedName | packages.NeedFiles | packages.NeedCompiledGoFiles | packages.NeedImports |
			packages.NeedDeps | packages.NeedTypes | packages.NeedSyntax | packages.NeedTypesInfo,
		Dir: top, Tests: true,
		Env: append(os.Environ(), "GOOS="+system, "GOARCH="+arch, "CGO_ENABLED=0"),
		ParseFile: func(files *token.FileSet, name string, text []byte) (*ast.File, error) {
			file, err := parser.ParseFile(files, name, text, parser.SkipObjectResolution)
			if file != nil && !strings.HasPrefix(name, top) {
				dropBodies(file)
			}
			return file, err
		},
	}, patterns...)
	if err != nil {
		t.Fatal(err)
	}
	if len(loaded) < len(patterns) {
		t.Errorf("%d packages for %d patterns", len(loaded), len(patterns))
	}
	for _, p := range loaded {
		if strings.HasSuffix(p.ID, ".test") {
			continue // the main package that the go command writes
		}
		for _, err := range p.Errors {
			t.Error(err)
		}
	}
}

func dropBodies(file *ast.File) {
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok {
			f.Body = nil
		}
	}
}
