package vm

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

//go:embed fetch.sh
var fetchScript string

// Fetch brings the machines' kernels and what it takes to boot them onto this
// system, if they are not there: about 30 MB a kernel. It returns the directory
// of the kernels.
func Fetch(ctx context.Context, machines []Machine) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("looking for a place for kernels: %w", err)
	}
	directory := filepath.Join(cache, "netpolltrace", "kernels")
	args := []string{"-c", fetchScript, "fetch.sh", directory}
	for _, m := range machines {
		if _, err := os.Stat(kernelFile(directory, m)); err != nil {
			args = append(args, m.String())
		}
	}
	fetch := exec.CommandContext(ctx, "bash", args...)
	if out, err := fetch.CombinedOutput(); err != nil {
		return "", fmt.Errorf("fetching kernels %s: %w\n%s", strings.Join(args[4:], " "), err, out)
	}
	return directory, nil
}

func kernelFile(directory string, m Machine) string {
	return filepath.Join(directory, "vmlinuz-"+m.String())
}
