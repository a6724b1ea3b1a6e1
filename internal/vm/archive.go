package vm

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Programs is where the guests' tests find what they record, and netpolltrace.
const Programs = "/programs"

const module = "github.com/netpolltrace/netpolltrace/"

// Build builds all that a machine of an architecture has in its file system,
// and packs it into an archive in a directory. It returns the archive. It must
// be called from within netpolltrace's own source tree.
func Build(ctx context.Context, arch, dir string) (string, error) {
	root := filepath.Join(dir, arch)
	programs := filepath.Join(root, Programs)
	if err := os.MkdirAll(programs, 0o755); err != nil {
		return "", err
	}
	source, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return "", fmt.Errorf("finding netpolltrace's source tree: %w", err)
	}
	tree := strings.TrimSpace(string(source))
	for _, build := range []struct {
		in   string
		args []string
	}{
		{tree, []string{"build", "-o", filepath.Join(root, "init"), module + "internal/vm/init"}},
		{tree, []string{"test", "-c", "-o", filepath.Join(root, "test"), module + "internal/vm/guest"}},
		{tree, []string{"build", "-ldflags=-s", "-o", programs, module + "cmd/netpolltrace"}},
		{filepath.Join(tree, "testdata"), []string{"build", "-o", programs, "./programs/..."}},
	} {
		command := exec.CommandContext(ctx, "go", build.args...)
		command.Dir = build.in
		command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch)
		if out, err := command.CombinedOutput(); err != nil {
			return "", fmt.Errorf("building for %s: go %s: %w\n%s", arch, strings.Join(build.args, " "), err, out)
		}
	}
	archive := filepath.Join(dir, arch+".cpio")
	return archive, pack(ctx, root, archive)
}

// pack makes an archive of a directory that the kernel unpacks. It is not
// compressed, since unpacking is expensive in emulation.
func pack(ctx context.Context, root, archive string) error {
	cpio := exec.CommandContext(ctx, "bash", "-o", "pipefail", "-c", `find . | cpio --create --format=newc --quiet > "$0"`, archive)
	cpio.Dir = root
	if out, err := cpio.CombinedOutput(); err != nil {
		return fmt.Errorf("packing %s: %w\n%s", root, err, out)
	}
	return nil
}

// withArguments makes one archive of others and the arguments of a machine's
// test: the kernel unpacks archives that follow each other.
func withArguments(ctx context.Context, archives []string, dir string, args []string) (string, error) {
	own := filepath.Join(dir, "arguments")
	if err := os.Mkdir(own, 0o755); err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(own, "args"), []byte(strings.Join(args, "\n")+"\n"), 0o644); err != nil {
		return "", err
	}
	small := filepath.Join(dir, "arguments.cpio")
	if err := pack(ctx, own, small); err != nil {
		return "", err
	}
	all := filepath.Join(dir, "initrd")
	out, err := os.Create(all)
	if err != nil {
		return "", err
	}
	defer out.Close()
	for _, name := range append(slices.Clone(archives), small) {
		in, err := os.Open(name)
		if err != nil {
			return "", err
		}
		_, err = io.Copy(out, in)
		in.Close()
		if err != nil {
			return "", fmt.Errorf("packing %s: %w", all, err)
		}
	}
	return all, nil
}
