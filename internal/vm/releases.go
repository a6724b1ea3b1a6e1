package vm

import (
	"context"
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Releases is where the guest's TestReleases finds programs that releases of Go
// built: in RELEASE/VARIANT/.
const Releases = "/releases"

// Pack makes an archive of a directory of programs, with the loader and the C
// library that some of them need. The compiler is the one for their architecture:
// it knows where these are.
func Pack(ctx context.Context, root, archive, compiler string) error {
	needed := make(map[string]bool)
	err := filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		return addNeeds(path, needed)
	})
	if err != nil {
		return fmt.Errorf("packing %s: %w", root, err)
	}
	for name := range needed {
		if err := addLibrary(ctx, root, name, compiler); err != nil {
			return err
		}
	}
	return pack(ctx, root, archive)
}

// addNeeds adds the names of the libraries that a program is linked with, and of
// its loader.
func addNeeds(path string, needed map[string]bool) error {
	file, err := elf.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	loader := file.Section(".interp")
	if loader == nil {
		return nil // it is static
	}
	text, err := loader.Data()
	if err != nil {
		return err
	}
	needed[filepath.Base(strings.TrimRight(string(text), "\x00"))] = true
	libraries, err := file.ImportedLibraries()
	if err != nil {
		return err
	}
	for _, library := range libraries {
		needed[library] = true
	}
	return nil
}

func addLibrary(ctx context.Context, root, name, compiler string) error {
	path, err := exec.CommandContext(ctx, compiler, "-print-file-name="+name).Output()
	if err != nil {
		return fmt.Errorf("asking %s for %s: %w", compiler, name, err)
	}
	library, err := os.ReadFile(strings.TrimSpace(string(path)))
	if err != nil {
		return fmt.Errorf("packing a library: %w", err)
	}
	if err := os.MkdirAll(filepath.Join(root, "lib"), 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(root, "lib", name), library, 0o755)
}
