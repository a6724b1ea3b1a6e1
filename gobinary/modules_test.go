package gobinary

import (
	"debug/buildinfo"
	"reflect"
	"runtime/debug"
	"testing"

	"github.com/netpolltrace/netpolltrace/wait"
)

func TestModulesOfABuild(t *testing.T) {
	info := &buildinfo.BuildInfo{
		Path: "example.com/shop/cmd/api.test",
		Main: debug.Module{Path: "example.com/shop", Version: "v1.2.3"},
		Deps: []*debug.Module{
			{Path: "github.com/jackc/pgx/v5", Version: "v5.7.1"},
			{Path: "example.com/workspace", Version: "(devel)"},
			{Path: "example.com/replaced", Version: "v1.0.0", Replace: &debug.Module{Path: "../replaced"}},
			{Path: "example.com/forked", Version: "v1.0.0", Replace: &debug.Module{Path: "github.com/fork/forked", Version: "v1.0.1"}},
		},
	}
	want := wait.Modules{
		Own:         []string{"example.com/shop", "example.com/workspace", "example.com/replaced"},
		Libraries:   []string{"github.com/jackc/pgx/v5", "example.com/forked"},
		MainPackage: "example.com/shop/cmd/api",
		GOROOT:      "/opt/go/src/",
	}
	if got := modulesOf(info, "/opt/go/src/runtime/proc.go"); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestABuildWithoutModules(t *testing.T) {
	got := modulesOf(&buildinfo.BuildInfo{Path: "command-line-arguments"}, "runtime/proc.go")
	if want := (wait.Modules{MainPackage: "command-line-arguments"}); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestOwnCodeOfPrograms(t *testing.T) {
	eachVariant(t, func(t *testing.T, p program) {
		if !p.variant.inlines() {
			t.Skip("its main.main holds no function of another package")
		}
		b := p.open(t)
		code := wait.NewCode(b.Modules(), nil)
		main, _ := b.Func("main.main")
		own := make(map[string]bool)
		for pc := main.Entry; pc < main.End; pc++ {
			for _, f := range b.Frames(pc) {
				own[f.Func] = own[f.Func] || code.Owner(f) == wait.OwnerProgram
			}
		}
		for function, want := range map[string]bool{
			"main.main": true, "dotless/server/chain.Outer": true, "dotless/server/chain.inner[...]": true, "log.SetFlags": false,
		} {
			if got, seen := own[function]; !seen || got != want {
				t.Errorf("%s: inlined %v, own code %v, want %v", function, seen, got, want)
			}
		}
		for _, function := range []string{fnGopark, "net.Listen", "runtime/pprof.StartCPUProfile"} {
			f, _ := b.Func(function)
			if frames := b.Frames(f.Entry); len(frames) == 0 || code.Owner(frames[0]) != wait.OwnerStandard {
				t.Errorf("%s (%v) is not of the standard library", function, frames)
			}
		}
	})
}
