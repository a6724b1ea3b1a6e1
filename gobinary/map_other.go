//go:build !unix

package gobinary

import (
	"io"
	"os"
)

// mapFile reads a whole file where it cannot be mapped.
func mapFile(f *os.File) ([]byte, func() error, error) {
	data, err := io.ReadAll(f)
	return data, func() error { return nil }, err
}
