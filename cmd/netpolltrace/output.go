package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/netpolltrace/netpolltrace/recording"
)

// writeFile makes a file of what write writes, and puts it where an older one
// may be. It is written beside it and renamed when it is complete, so that nobody
// sees half of it, and the old one stays if that fails. Like a recording it is
// for its owner only.
func writeFile(path string, write func(io.Writer) error) error {
	if err := replaceable(path); err != nil {
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(path), ".netpolltrace-*")
	if err != nil {
		return fmt.Errorf("creating %s: %w", path, err)
	}
	if err := errors.Join(ownBySudo(file), write(file), file.Close()); err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	if err := os.Rename(file.Name(), path); err != nil {
		return errors.Join(fmt.Errorf("replacing %s: %w", path, err), os.Remove(file.Name()))
	}
	return nil
}

// ownBySudo gives a file to the user who called sudo, if somebody did.
func ownBySudo(file *os.File) error {
	owner := sudoOwner(os.LookupEnv)
	if owner == nil {
		return nil
	}
	return file.Chown(owner.UID, owner.GID)
}

// replaceable refuses what a file cannot be put in place of. A link is not
// followed: where several users write, it may be another's and lead anywhere.
func replaceable(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("writing %s: %w", path, err)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is not a regular file: choose another name, or - for standard output", path)
	}
	return nil
}

// sudoOwner is the user who called sudo: files are theirs. It is nil where
// there is none.
func sudoOwner(getenv func(string) (string, bool)) *recording.Owner {
	uidText, _ := getenv("SUDO_UID")
	gidText, _ := getenv("SUDO_GID")
	uid, err := strconv.Atoi(uidText)
	if err != nil || os.Geteuid() != 0 {
		return nil
	}
	gid, err := strconv.Atoi(gidText)
	if err != nil {
		return nil
	}
	return &recording.Owner{UID: uid, GID: gid}
}
