// Server is the program that gobinary's tests build in many variants. It
// echoes over the loopback, and prints what its own runtime says of its
// addresses, for the tests to compare with.
package main

import (
	"encoding/json"
	"io"
	"log"
	"net"
	"os"
	"reflect"
	"runtime"
	"runtime/pprof"
	"sort"
	"strings"

	"dotless/server/chain"
)

// frame is what the runtime says of one program counter.
type frame struct {
	PC   uint64
	Func string
	File string
	Line int
}

// answer is what the program prints.
type answer struct {
	Main   uint64  // run-time address of main.main
	Stack  []frame // of a call through inlined functions, innermost first
	Sample []frame // the innermost frame at addresses all over the text
}

func main() {
	log.SetFlags(0)
	if len(os.Args) == 3 && os.Args[1] == "profile" {
		profile(os.Args[2])
		return
	}
	echo(1)
	a := answer{
		Main:   uint64(reflect.ValueOf(main).Pointer()),
		Stack:  describe(chain.Outer(callers)),
		Sample: sample(),
	}
	if err := json.NewEncoder(os.Stdout).Encode(a); err != nil {
		log.Fatal(err)
	}
}

//go:noinline
func callers() []uintptr {
	pcs := make([]uintptr, 32)
	return pcs[:runtime.Callers(1, pcs)]
}

func describe(pcs []uintptr) []frame {
	var out []frame
	frames := runtime.CallersFrames(pcs)
	for {
		f, more := frames.Next()
		out = append(out, frame{uint64(f.PC), f.Function, f.File, f.Line})
		if !more {
			return out
		}
	}
}

// sample describes every 61st byte of the text between the lowest and the
// highest function that can be named here.
func sample() []frame {
	funcs := []uintptr{
		reflect.ValueOf(main).Pointer(),
		reflect.ValueOf(net.Dial).Pointer(),
		reflect.ValueOf(strings.Index).Pointer(),
		reflect.ValueOf(sort.Strings).Pointer(),
		reflect.ValueOf(runtime.GC).Pointer(),
	}
	sort.Slice(funcs, func(i, j int) bool { return funcs[i] < funcs[j] })
	var out []frame
	for pc := funcs[0]; pc < funcs[len(funcs)-1]; pc += 61 {
		if f := runtime.FuncForPC(pc); f == nil || f.Entry() == pc {
			continue
		}
		out = append(out, describe([]uintptr{pc + 1})...)
	}
	return out
}

// profile records a CPU profile of the echo, for profile-guided optimisation:
// "server profile server.pgo" made the one that the tests build with.
func profile(path string) {
	f, err := os.Create(path)
	if err != nil {
		log.Fatal(err)
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		log.Fatal(err)
	}
	echo(400000)
	pprof.StopCPUProfile()
	if err := f.Close(); err != nil {
		log.Fatal(err)
	}
}

// echo sends n messages of one byte to itself and back.
func echo(n int) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err != nil {
			log.Fatal(err)
		}
		defer c.Close()
		io.Copy(struct{ io.Writer }{c}, struct{ io.Reader }{c})
	}()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	b := make([]byte, 1)
	for i := 0; i < n; i++ {
		if _, err := c.Write(b); err != nil {
			log.Fatal(err)
		}
		if _, err := io.ReadFull(c, b); err != nil {
			log.Fatal(err)
		}
	}
}
