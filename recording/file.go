package recording

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/netpolltrace/netpolltrace/wait"
)

// Standard is the path that means standard output or standard input.
const Standard = "-"

// Owner is a user and a group, by number.
type Owner struct {
	UID, GID int
}

// Create begins a recording in a new file that only its owner can read, or on
// standard output. A file that exists is not touched: the error matches
// fs.ErrExist.
func Create(path string, meta *wait.Meta, options Options) (*Writer, error) {
	if path == Standard {
		return NewWriter(os.Stdout, meta, options)
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("creating the recording: %w: choose another name, or remove the file", err)
	}
	if err != nil {
		return nil, fmt.Errorf("creating the recording: %w: choose another file", err)
	}
	w, err := createIn(file, meta, options)
	if err != nil {
		return nil, errors.Join(err, file.Close(), os.Remove(path))
	}
	return w, nil
}

// createIn begins a recording in an empty file.
func createIn(file *os.File, meta *wait.Meta, options Options) (*Writer, error) {
	if options.Owner != nil {
		if err := file.Chown(options.Owner.UID, options.Owner.GID); err != nil {
			return nil, fmt.Errorf("giving the recording to its user: %w: choose a file where the owner can be changed", err)
		}
	}
	w, err := NewWriter(file, meta, options)
	if err != nil {
		return nil, err
	}
	w.closer = file
	return w, nil
}

// Open begins to read the recording in a file, or on standard input, with the
// default limits.
func Open(path string) (*Reader, error) {
	if path == Standard {
		r, err := NewReader(os.Stdin, Limits{})
		if err != nil {
			return nil, fmt.Errorf("standard input cannot be read as a recording: %w", err)
		}
		return r, nil
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening the recording: %w: name a file that `netpolltrace record` wrote", err)
	}
	r, err := NewReader(file, Limits{})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s cannot be read as a recording: %w", path, err), file.Close())
	}
	r.closer = file
	return r, nil
}

// DefaultName is the file name for a recording of a program that begins at a
// time, such as checkout-20261123-221530.netpolltrace.arrows. The program's
// name is not trusted: it becomes part of no other folder and no flag.
func DefaultName(program string, begin time.Time) string {
	const maxName = 64
	safe := strings.Map(func(r rune) rune {
		if strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-", r) {
			return r
		}
		return '_'
	}, program)
	safe = strings.TrimLeft(safe[:min(len(safe), maxName)], ".-")
	if safe == "" {
		safe = "recording"
	}
	return safe + begin.Format("-20060102-150405") + Extension
}

// Latest is the path of the newest recording in a folder: the file with our
// extension that was changed last.
func Latest(dir string) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", fmt.Errorf("looking for the newest recording: %w", err)
	}
	var newest string
	var newestTime time.Time
	for _, entry := range entries {
		if !entry.Type().IsRegular() || !strings.HasSuffix(entry.Name(), Extension) {
			continue
		}
		info, err := entry.Info()
		if err != nil {
			continue // removed since
		}
		if newest == "" || !info.ModTime().Before(newestTime) {
			newest, newestTime = entry.Name(), info.ModTime()
		}
	}
	if newest == "" {
		return "", fmt.Errorf("no recording (*%s) in %s: name a file, or make one with `netpolltrace record`", Extension, dir)
	}
	return filepath.Join(dir, newest), nil
}
