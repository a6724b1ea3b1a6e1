// Package testprogram builds the programs of testdata and talks with them, for the
// tests and the benchmarks that need something real to trace. It knows nothing of
// tracing.
package testprogram

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Build says how a program is to be built. The zero value is how "go build"
// does it.
type Build struct {
	// Go is the toolchain, such as go1.22.12; empty for the one in use.
	Go string
	// Flags are further arguments of go build: -buildmode=pie, -race, ...
	Flags []string
	// Env is added to the environment: CGO_ENABLED=1, GOARCH=arm64, ...
	Env []string
}

// libraries is the folder in testdata of the programs that use libraries. It is a
// module of its own, since the others are built with old releases of Go as well.
const libraries = "libraries"

// Program builds the named program of testdata/programs, or libraries/NAME, into a
// directory and returns the path of the executable. It must be called from within
// netpolltrace's own source tree.
func (b Build) Program(ctx context.Context, name, dir string) (string, error) {
	root, err := moduleRoot(ctx)
	if err != nil {
		return "", err
	}
	module, source := filepath.Join(root, "testdata"), "./programs/"+name
	if program, ok := strings.CutPrefix(name, libraries+"/"); ok {
		module, source = filepath.Join(module, libraries), "./"+program
	}
	path := filepath.Join(dir, filepath.Base(name))
	args := append([]string{"build", "-o", path}, b.Flags...)
	build := exec.CommandContext(ctx, "go", append(args, source)...)
	build.Dir = module
	build.Env = append(os.Environ(), b.Env...)
	if b.Go != "" {
		build.Env = append(build.Env, "GOTOOLCHAIN="+b.Go)
	}
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building test program %s: %w\n%s", name, err, out)
	}
	return path, nil
}

// moduleRoot is the directory of netpolltrace's go.mod.
func moduleRoot(ctx context.Context) (string, error) {
	var complaints bytes.Buffer
	list := exec.CommandContext(ctx, "go", "env", "GOMOD")
	list.Stderr = &complaints
	out, err := list.Output()
	if err != nil {
		return "", fmt.Errorf("finding the module's root: %w: %s", err, complaints.String())
	}
	gomod := strings.TrimSpace(string(out))
	if filepath.Base(gomod) != "go.mod" {
		return "", fmt.Errorf("finding the module's root: not within a module; run it from netpolltrace's source tree")
	}
	return filepath.Dir(gomod), nil
}
