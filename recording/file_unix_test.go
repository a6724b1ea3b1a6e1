//go:build unix

package recording

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestCreateGivesTheFileToItsOwner(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to give a file away")
	}
	path := filepath.Join(t.TempDir(), "a")
	w, err := Create(path, sampleMeta(), Options{Owner: &Owner{UID: 12345, GID: 23456}})
	put(t, err, w.Close())
	info, err := os.Stat(path)
	put(t, err)
	if s := info.Sys().(*syscall.Stat_t); s.Uid != 12345 || s.Gid != 23456 {
		t.Errorf("the file belongs to %d:%d", s.Uid, s.Gid)
	}
}

func TestAFileThatCannotBeGivenAwayIsRemoved(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("needs a user who may not give files away")
	}
	path := filepath.Join(t.TempDir(), "a")
	if _, err := Create(path, sampleMeta(), Options{Owner: &Owner{UID: 0, GID: 0}}); err == nil {
		t.Fatal("a file was given to root")
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the file is still there")
	}
}
