package wait_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/netpolltrace/netpolltrace/wait"
)

func TestOwner(t *testing.T) {
	module := wait.Modules{
		Own:       []string{"example.com/shop", "dotless"},
		Libraries: []string{"github.com/jackc/pgx/v5", "example.com/shop/sdk"},
	}
	none := wait.Modules{}
	debian := wait.Modules{MainPackage: "github.com/prometheus/prometheus/cmd/prometheus"}
	for _, test := range []struct {
		name     string
		modules  wait.Modules
		function string
		file     string
		want     wait.Owner
	}{
		{"package main", module, "main.handle", "/src/main.go", wait.OwnerProgram},
		{"the main module", module, "example.com/shop/cart.(*Cart).Get", "cart.go", wait.OwnerProgram},
		{"its root package", module, "example.com/shop.New", "shop.go", wait.OwnerProgram},
		{"a closure", module, "example.com/shop/cart.Get.func1", "cart.go", wait.OwnerProgram},
		{"a generic function of a library's type", module, "example.com/shop/cart.Map[go.shape.*github.com/x/y.T]", "cart.go", wait.OwnerProgram},
		{"an external test", module, "example.com/shop/cart_test.TestGet", "cart_test.go", wait.OwnerProgram},
		{"an external test of the root package", module, "example.com/shop_test.TestGet", "shop_test.go", wait.OwnerProgram},
		{"a name that only begins like the module's", module, "example.com/shopping.Get", "x.go", wait.OwnerLibrary},
		{"a module below the main module", module, "example.com/shop/sdk.Call", "sdk.go", wait.OwnerLibrary},
		{"a workspace's module without a dot", module, "dotless/util.Do", "util.go", wait.OwnerProgram},
		{"a library", module, "github.com/jackc/pgx/v5/pgconn.(*PgConn).Exec", "pgconn.go", wait.OwnerLibrary},
		{"a library with an escaped dot", module, "gopkg.in/yaml%2ev3.Unmarshal", "yaml.go", wait.OwnerLibrary},
		{"the standard library", module, "net/http.(*persistConn).readLoop", "transport.go", wait.OwnerStandard},
		{"what the standard library vendors", module, "vendor/golang.org/x/net/http2/hpack.Encode", "x.go", wait.OwnerStandard},
		{"a newer standard library", module, "crypto/newer.Sum", "x.go", wait.OwnerStandard},
		{"a plugin built from files", module, "plugin/unnamed-4d9c.Fetch", "store.go", wait.OwnerProgram},
		{"the package plugin", module, "plugin.Open", "plugin.go", wait.OwnerStandard},
		{"a C library", module, "[libc.so.6]", "", wait.OwnerStandard},
		{"assembly", module, "crosscall2", "asm.s", wait.OwnerStandard},
		{"the main function of a test binary", module, "main.main", "_testmain.go", wait.OwnerStandard},

		{"Bazel: a path like the standard library's", none, "go/cart.Fetch", "go/cart/cart.go", wait.OwnerProgram},
		{"Bazel: the standard library", none, "go/ast.Walk", "go/ast/walk.go", wait.OwnerStandard},
		{"Bazel: a library", none, "github.com/x/y.Do", "y.go", wait.OwnerLibrary},
		{"Debian: the program's repository", debian, "github.com/prometheus/prometheus/scrape.(*Manager).Run", "m.go", wait.OwnerProgram},
		{"Debian: a library", debian, "github.com/prometheus/common/model.New", "m.go", wait.OwnerLibrary},
		{"GOPATH: a vendored library", none, "shop/vendor/github.com/x/y.Do", "y.go", wait.OwnerLibrary},
	} {
		t.Run(test.name, func(t *testing.T) {
			frame := wait.Frame{Func: test.function, File: test.file}
			if got := wait.NewCode(test.modules, nil).Owner(frame); got != test.want {
				t.Errorf("%s is code of %d, want %d", test.function, got, test.want)
			}
		})
	}
}

func TestOwnerByPattern(t *testing.T) {
	modules := wait.Modules{Own: []string{"example.com/shop"}, Libraries: []string{"example.com/base/net"}}
	for _, pattern := range []string{"example.com/base", "example.com/base/...", "example.com/base/net/"} {
		code := wait.NewCode(modules, []string{pattern})
		if code.Owner(wait.Frame{Func: "example.com/base/net/pool.Get"}) != wait.OwnerProgram {
			t.Errorf("--own %s does not take example.com/base/net/pool", pattern)
		}
		if code.Owner(wait.Frame{Func: "example.com/basement.Get"}) != wait.OwnerLibrary {
			t.Errorf("--own %s takes example.com/basement", pattern)
		}
	}
}

// A file below GOROOT is the standard library's, whatever its package.
func TestOwnerByGOROOT(t *testing.T) {
	code := wait.NewCode(wait.Modules{GOROOT: "/usr/local/go/src/"}, nil)
	if code.Owner(wait.Frame{Func: "crypto/newer.Sum", File: "/usr/local/go/src/crypto/newer/sum.go"}) != wait.OwnerStandard {
		t.Error("a file below GOROOT is not the standard library's")
	}
	if code.Owner(wait.Frame{Func: "crypto/ours.Sum", File: "/home/x/crypto/ours/sum.go"}) != wait.OwnerProgram {
		t.Error("a file elsewhere is not the program's own")
	}
}

func TestStandardPackagesAreComplete(t *testing.T) {
	out, err := exec.Command("go", "list", "std").Output()
	if err != nil {
		t.Fatal(err)
	}
	code := wait.NewCode(wait.Modules{}, nil)
	for pkg := range strings.FieldsSeq(string(out)) {
		escaped := strings.ReplaceAll(pkg, ".", "%2e") // as the linker writes it
		if code.Owner(wait.Frame{Func: escaped + ".F"}) != wait.OwnerStandard {
			t.Errorf("%s is not taken for the standard library: add it to stdlib.txt", pkg)
		}
	}
}
