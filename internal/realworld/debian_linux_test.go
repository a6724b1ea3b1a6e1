package realworld

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// debian is Debian's packages in a folder of their own. The system's choice of
// packages is left alone, and nothing is installed: packages are unpacked.
type debian struct {
	dir string // unpacked packages stay here from one run to the next
}

// newDebian is in the user's cache folder.
func newDebian(t *testing.T) *debian {
	t.Helper()
	for _, command := range []string{"apt-get", "dpkg-deb"} {
		if _, err := exec.LookPath(command); err != nil {
			t.Skipf("%s is missing: this machine is not a Debian one", command)
		}
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	d := &debian{dir: filepath.Join(cache, "netpolltrace", "debian")}
	if err := os.MkdirAll(d.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return d
}

// debianPackage is a package as one of Debian's suites has it.
type debianPackage struct{ suite, name string }

// root is where a package is unpacked.
func (d *debian) root(p debianPackage) string { return filepath.Join(d.dir, p.suite+"-"+p.name) }

// fetch unpacks those packages that are not there yet.
func (d *debian) fetch(t *testing.T, packages []debianPackage) {
	t.Helper()
	var wanted []string
	for _, p := range packages {
		if missing(d.root(p)) {
			wanted = append(wanted, p.name+"/"+p.suite)
		}
	}
	if len(wanted) == 0 {
		return
	}
	config := d.configure(t, packages)
	downloads := t.TempDir()
	run(t, config, downloads, "apt-get", "-qq", "update")
	for _, p := range packages {
		if missing(d.root(p)) {
			run(t, config, downloads, "apt-get", "-qq", "download", p.name+"/"+p.suite)
			d.unpack(t, p, filepath.Join(downloads, p.name+"_*.deb"))
		}
	}
}

// unpack takes the only archive of a pattern.
func (d *debian) unpack(t *testing.T, p debianPackage, pattern string) {
	t.Helper()
	archives, err := filepath.Glob(pattern)
	if err != nil || len(archives) != 1 {
		t.Fatalf("archives of %s: %v, want one (%v)", p.name, archives, err)
	}
	half := d.root(p) + ".part" // what is cut short is not taken for the whole
	if err := os.RemoveAll(half); err != nil {
		t.Fatal(err)
	}
	run(t, "", d.dir, "dpkg-deb", "-x", archives[0], half)
	if err := os.Rename(half, d.root(p)); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(archives[0]); err != nil {
		t.Fatal(err)
	}
}

// aptConfig keeps all that apt remembers in one folder; see apt.conf(5).
const aptConfig = `Dir::State "%[1]s/state";
Dir::State::status "/dev/null";
Dir::Cache "%[1]s/cache";
Dir::Etc::sourcelist "%[1]s/sources.list";
Dir::Etc::sourceparts "-";
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Retries "3";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
`

// configure writes a configuration for apt, and returns its path.
func (d *debian) configure(t *testing.T, packages []debianPackage) string {
	t.Helper()
	apt := filepath.Join(t.TempDir(), "apt")
	for _, dir := range []string{"state/lists/partial", "cache/archives/partial"} {
		if err := os.MkdirAll(filepath.Join(apt, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	site := mirror(t)
	var sources strings.Builder
	seen := make(map[string]bool)
	for _, p := range packages {
		if !seen[p.suite] {
			fmt.Fprintf(&sources, "deb [arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main\n", site, p.suite)
		}
		seen[p.suite] = true
	}
	config := filepath.Join(apt, "apt.conf")
	for path, text := range map[string]string{
		filepath.Join(apt, "sources.list"): sources.String(),
		config:                             fmt.Sprintf(aptConfig, apt),
	} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return config
}

// mirror is where this machine gets its own packages.
func mirror(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "apt-get", "indextargets", "--format", "$(SITE)",
		"Created-By: Packages", "Origin: Debian", "Label: Debian").Output()
	site, _, _ := strings.Cut(string(out), "\n")
	if err != nil || site == "" {
		t.Skipf("apt knows no mirror of Debian here: run apt-get update (%v)", err)
	}
	return site
}

func run(t *testing.T, aptConfig, dir, name string, args ...string) {
	t.Helper()
	c := exec.CommandContext(t.Context(), name, args...)
	c.Dir = dir
	if aptConfig != "" {
		c.Env = append(os.Environ(), "APT_CONFIG="+aptConfig)
	}
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}
