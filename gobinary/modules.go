package gobinary

import (
	"debug/buildinfo"
	"path/filepath"
	"runtime/debug"
	"strings"

	"github.com/netpolltrace/netpolltrace/wait"
)

// Modules is what the executable says it was made of, for [wait.NewCode]. It is
// nearly empty for an executable that was built without modules.
func (b *Binary) Modules() wait.Modules { return b.modules }

// runtimeFile is where, below GOROOT/src, runtime.main is.
const runtimeFile = "runtime/proc.go"

// testSuffix ends the path of the main package of a test binary.
const testSuffix = ".test"

// modulesOf takes the modules from the build information, and the place of
// GOROOT from the file of runtime.main.
func modulesOf(info *buildinfo.BuildInfo, runtimeMain string) wait.Modules {
	m := wait.Modules{MainPackage: strings.TrimSuffix(info.Path, testSuffix)}
	if src, ok := strings.CutSuffix(filepath.ToSlash(runtimeMain), runtimeFile); ok {
		m.GOROOT = src
	}
	if info.Main.Path != "" {
		m.Own = append(m.Own, info.Main.Path)
	}
	for _, dep := range info.Deps {
		if local(dep) {
			m.Own = append(m.Own, dep.Path)
		} else {
			m.Libraries = append(m.Libraries, dep.Path)
		}
	}
	return m
}

// develVersion is the version of a module that was not downloaded: of the main
// module, and of the other modules of a workspace.
const develVersion = "(devel)"

// local tells whether a module was built from a folder of whoever built the
// program: one of a workspace, or one that a replace directive puts there.
func local(m *debug.Module) bool {
	if m.Replace != nil {
		return m.Replace.Version == "" || m.Replace.Version == develVersion
	}
	return m.Version == develVersion
}
