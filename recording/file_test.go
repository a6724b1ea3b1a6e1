package recording

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestCreateMakesAPrivateFileThatOpenReads(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a"+Extension)
	w, err := Create(path, sampleMeta(), Options{})
	put(t, err)
	wt := sampleWaits()[0]
	put(t, w.Wait(&wt), w.Event(endOf()), w.Close())
	info, err := os.Stat(path)
	put(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the file has mode %v, want 0600", info.Mode().Perm())
	}
	r, err := Open(path)
	put(t, err)
	got := new(collected)
	put(t, r.Run(context.Background(), got), r.Close())
	if len(got.waits) != 1 || r.Damage() != nil {
		t.Errorf("%d waits read, damage %v", len(got.waits), r.Damage())
	}
}

func TestCreateLeavesExistingFilesAlone(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "precious")
	put(t, os.WriteFile(path, []byte("precious"), 0o600), os.Symlink(filepath.Join(dir, "nowhere"), filepath.Join(dir, "link")))
	for _, name := range []string{"precious", "link"} {
		_, err := Create(filepath.Join(dir, name), sampleMeta(), Options{})
		if !errors.Is(err, fs.ErrExist) || !strings.HasSuffix(err.Error(), "choose another name, or remove the file") {
			t.Errorf("creating %s, which exists: %v", name, err)
		}
	}
	if content, err := os.ReadFile(path); err != nil || string(content) != "precious" {
		t.Errorf("the file now holds %q, %v", content, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "nowhere")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a file was created through a symbolic link")
	}
}

func TestDefaultNameIsOneSafeName(t *testing.T) {
	for program, want := range map[string]string{
		"checkout-api":           "checkout-api",
		"../../etc/passwd":       "_.._etc_passwd",
		"-rf":                    "rf",
		"a b\n\x1b[31m":          "a_b___31m",
		"":                       "recording",
		"...":                    "recording",
		"naïve":                  "na_ve",
		"checkout-api+2":         "checkout-api+2",
		strings.Repeat("x", 300): strings.Repeat("x", 64),
	} {
		if got := DefaultName(program, begin); got != want+"-20261123-221530.netpolltrace.arrows" {
			t.Errorf("a recording of %q is called %s", program, got)
		}
	}
}

func TestLatestIsTheRecordingChangedLast(t *testing.T) {
	dir := t.TempDir()
	if _, err := Latest(dir); err == nil || !strings.Contains(err.Error(), "netpolltrace record") {
		t.Errorf("in an empty folder: %v", err)
	}
	for name, age := range map[string]time.Duration{
		"old" + Extension: time.Hour, "new" + Extension: time.Minute, "newer.txt": 0,
	} {
		path := filepath.Join(dir, name)
		put(t, os.WriteFile(path, nil, 0o600), os.Chtimes(path, begin, begin.Add(-age)))
	}
	put(t, os.Mkdir(filepath.Join(dir, "folder"+Extension), 0o700))
	if got, err := Latest(dir); err != nil || filepath.Base(got) != "new"+Extension {
		t.Errorf("the newest is %q, %v", got, err)
	}
}
