package boundary

import (
	"go/build"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	root   = "../.."
	module = "github.com/netpolltrace/netpolltrace"
)

func TestEachPackageHasARow(t *testing.T) {
	seen := make(map[string]int)
	for _, p := range rows {
		seen[p.folder]++
	}
	for _, folder := range foldersWithCode(t) {
		if seen[folder] != 1 {
			t.Errorf("%s has %d rows, want one", folder, seen[folder])
		}
		delete(seen, folder)
	}
	for folder := range seen {
		t.Errorf("there is no package %s", folder)
	}
}

func TestPackagesImportWhatTheyMay(t *testing.T) {
	everything := build.Default
	everything.UseAllFiles = true
	used := make(map[string]bool) // libraries
	for _, p := range rows {
		allowed := strings.Fields(p.ours)
		idle := slices.Clone(allowed)
		for _, path := range imports(t, everything, p.folder) {
			if folder, ours := strings.CutPrefix(path, module+"/"); ours {
				if !slices.Contains(allowed, folder) {
					t.Errorf("%s imports %s", p.folder, folder)
				}
				idle = slices.DeleteFunc(idle, func(f string) bool { return f == folder })
				continue
			}
			library, users := libraryOf(path)
			if library == "" || !slices.Contains(users, p.folder) {
				t.Errorf("%s imports %s", p.folder, path)
			}
			used[library+" "+p.folder] = true
		}
		if len(idle) > 0 {
			t.Errorf("%s may import %q, and does not", p.folder, idle)
		}
	}
	for library, users := range libraries {
		for _, folder := range strings.Fields(users) {
			if !used[library+" "+folder] {
				t.Errorf("%s may import %s, and does not", folder, library)
			}
		}
	}
}

func TestPortablePackagesImportPortableOnes(t *testing.T) {
	portable := make(map[string]bool)
	for _, p := range rows {
		portable[p.folder] = p.portable
	}
	for _, system := range []string{"darwin", "freebsd", "windows"} {
		there := build.Default
		there.GOOS, there.CgoEnabled = system, false
		for _, p := range rows {
			if !p.portable {
				continue
			}
			for _, path := range imports(t, there, p.folder) {
				if folder, ours := strings.CutPrefix(path, module+"/"); ours && !portable[folder] {
					t.Errorf("%s imports %s on %s", p.folder, folder, system)
				}
			}
		}
	}
}

// foldersWithCode lists the folders with Go files, but for programs that tests trace.
func foldersWithCode(t *testing.T) []string {
	t.Helper()
	var folders []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := entry.Name(); entry.IsDir() && path != root && (name == "testdata" || name[0] == '.') {
			return filepath.SkipDir
		}
		if folder := filepath.Dir(path); filepath.Ext(path) == ".go" {
			folder, err = filepath.Rel(root, folder)
			folders = append(folders, filepath.ToSlash(folder))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(folders)
	return slices.Compact(folders)
}

// imports lists what a package imports outside its tests, but for the standard
// library.
func imports(t *testing.T, where build.Context, folder string) []string {
	t.Helper()
	p, err := where.ImportDir(filepath.Join(root, folder), 0)
	if err != nil {
		t.Fatalf("%s for %s: %v", folder, where.GOOS, err)
	}
	return slices.DeleteFunc(p.Imports, func(path string) bool {
		first, _, _ := strings.Cut(path, "/")
		return !strings.Contains(first, ".")
	})
}

// libraryOf is the module of others that a package is of, and who may import it.
func libraryOf(path string) (string, []string) {
	for library, users := range libraries {
		if path == library || strings.HasPrefix(path, library+"/") {
			return library, strings.Fields(users)
		}
	}
	return "", nil
}
