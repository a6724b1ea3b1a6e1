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
// for its owner only, unless the old one was for others too.
func writeFile(path string, write func(io.Writer) error) error {
	permissions, err := replaceable(path)
	if err != nil {
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(path), ".netpolltrace-*")
	if err != nil {
		return fmt.Errorf("creating %s: %w", path, err)
	}
	if err := errors.Join(file.Chmod(permissions), ownBySudo(file), write(file), file.Close()); err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	if err := os.Rename(file.Name(), path); err != nil {
		return errors.Join(fmt.Errorf("replacing %s: %w", path, err), os.Remove(file.Name()))
	}
	return nil
}

// canReport refuses what [writeFile] could not write, before there is something to
// write.
func canReport(path string) error {
	if path == "" || path == recording.Standard {
		return nil
	}
	_, err := replaceable(path)
	return err
}

// ownBySudo gives a file to the user who called sudo, if somebody did.
func ownBySudo(file *os.File) error {
	owner := sudoOwner(os.LookupEnv)
	if owner == nil {
		return nil
	}
	return file.Chown(owner.UID, owner.GID)
}

// private are the permissions of a file that was not there before.
const private fs.FileMode = 0o600

// replaceable returns the permissions for a file in a place, and refuses what a
// file cannot be put in place of. A link is not followed: where several users
// write, it may be another's and lead anywhere.
func replaceable(path string) (fs.FileMode, error) {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if _, err := os.Stat(filepath.Dir(path)); err != nil {
			return 0, fmt.Errorf("creating %s: %w", path, err)
		}
		return private, nil
	case err != nil:
		return 0, fmt.Errorf("writing %s: %w", path, err)
	case info.IsDir():
		return 0, fmt.Errorf("%s is a folder: name a file in it", path)
	case info.Mode()&fs.ModeSymlink != 0:
		return 0, fmt.Errorf("%s is a symbolic link, which is not followed: name the file that it leads to", path)
	case !info.Mode().IsRegular():
		return 0, fmt.Errorf("%s is not a regular file: give -o - and redirect standard output to it", path)
	}
	return info.Mode().Perm(), nil
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
