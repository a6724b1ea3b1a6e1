package gobinary

import (
	"debug/buildinfo"
	"os/exec"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/netpolltrace/netpolltrace/wait"
)

func modules(main string, deps ...string) *buildinfo.BuildInfo {
	info := &buildinfo.BuildInfo{Main: debug.Module{Path: main}}
	for _, d := range deps {
		info.Deps = append(info.Deps, &debug.Module{Path: d})
	}
	return info
}

func TestStandardLibrary(t *testing.T) {
	const (
		goroot  = "/opt/go/src/runtime/proc.go"
		trimmed = "runtime/proc.go"
	)
	for _, c := range []struct {
		info     *buildinfo.BuildInfo
		runtime  string
		function string
		file     string
		want     bool
	}{
		{modules("example.com/app"), goroot, "net/http.(*conn).serve", "/opt/go/src/net/http/server.go", true},
		{modules("example.com/app"), goroot, "main.main", "/home/user/main.go", false},
		{modules("example.com/app"), trimmed, "net/http.(*conn).serve", "net/http/server.go", true},
		{modules("example.com/app"), trimmed, "example.com/x/y.F", "example.com/x@v1.0.0/y/y.go", false},
		{modules("example.com/app"), trimmed, "vendor/golang.org/x/net/http2/hpack.F", "vendor/golang.org/x/net/http2/hpack/h.go", true},
		{modules("example.com/app"), trimmed, "golang.org/x/net/http2.F", "golang.org/x/net@v0.1.0/http2/h.go", false},
		{modules("example.com/app"), trimmed, "gopkg.in/yaml%2ev3.F", "gopkg.in/yaml.v3@v3.0.0/y.go", false},
		{modules("shop"), trimmed, "shop/cart.(*Cart).Add", "shop/cart/cart.go", false},
		{modules("shop"), trimmed, "shopping.F", "shopping/f.go", true}, // no module of this program
		{modules("shop"), trimmed, "shop.F[...]", "shop/f.go", false},
		{modules("shop"), goroot, "slices.SortFunc[go.shape.[]example.com/x.T]", "/opt/go/src/slices/sort.go", true},
		{modules("example.com/app", "tools"), goroot, "tools/x.F", "/home/user/tools/x/f.go", false},
		{modules("example.com/app"), goroot, "net._C2func_getaddrinfo", "_cgo_gotypes.go", true},
		{modules("example.com/app"), goroot, "gogo", "/opt/go/src/runtime/asm_amd64.s", true},
		{modules(""), goroot, "mycorp/svc.F", "/opt/gopath/src/mycorp/svc/f.go", false},
		{modules(""), goroot, "log.Print", "/opt/go/src/log/log.go", true},
		{modules(""), trimmed, "mycorp/svc.F", "mycorp/svc/f.go", false},
		{modules(""), trimmed, "internal/poll.(*FD).Read", "internal/poll/fd_unix.go", true},
		{modules(""), trimmed, "net/http.glob..func1", "net/http/server.go", true},
	} {
		s := newStdlib(c.info, c.runtime)
		if got := s.has(wait.Frame{Func: c.function, File: c.file}); got != c.want {
			t.Errorf("%s in %s of %q: %v", c.function, c.file, c.info.Main.Path, got)
		}
	}
}

func TestStandardLibraryOfPrograms(t *testing.T) {
	eachVariant(t, func(t *testing.T, p program) {
		if !p.variant.inlines() {
			t.Skip("its main.main holds no function of another package")
		}
		b := p.open(t)
		main, _ := b.Func("main.main")
		own := make(map[string]bool)
		for pc := main.Entry; pc < main.End; pc++ {
			for _, f := range b.Frames(pc) {
				own[f.Func] = own[f.Func] || !b.Stdlib(f)
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
			if frames := b.Frames(f.Entry); len(frames) == 0 || !b.Stdlib(frames[0]) {
				t.Errorf("%s (%v) is not of the standard library", function, frames)
			}
		}
	})
}

func TestStandardLibraryRootsAreComplete(t *testing.T) {
	out, err := exec.Command("go", "list", "std").Output()
	if err != nil {
		t.Fatal(err)
	}
	for pkg := range strings.FieldsSeq(string(out)) {
		if !(stdlib{}).has(wait.Frame{Func: pkg + ".F"}) {
			t.Errorf("%s is not taken for the standard library", pkg)
		}
	}
}
