// Command channels passes numbers between goroutines as quickly as it can, and
// writes a CPU profile of itself to the file that its argument names. With this
// profile the compiler inlines the runtime's own functions into those that wait
// at channels; internal/truth/testdata/channels.pgo is one:
//
//	go build -trimpath ./programs/channels && ./channels ../internal/truth/testdata/channels.pgo
package main

import (
	"fmt"
	"os"
	"runtime/pprof"
	"sync"
	"time"

	"github.com/netpolltrace/netpolltrace/testdata/cue"
)

const (
	pairs    = 3
	duration = 5 * time.Second
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: channels PROFILE")
		os.Exit(2)
	}
	file, err := os.Create(os.Args[1])
	cue.Check(err)
	cue.Check(pprof.StartCPUProfile(file))
	var group sync.WaitGroup
	until := time.Now().Add(duration)
	for i := 0; i < pairs; i++ {
		there, back := make(chan int), make(chan int)
		group.Add(1)
		go answer(there, back)
		go func() {
			defer group.Done()
			ask(there, back, until)
		}()
	}
	group.Wait()
	pprof.StopCPUProfile()
	cue.Check(file.Close())
}

func ask(there chan<- int, back <-chan int, until time.Time) {
	defer close(there)
	for i := 0; time.Now().Before(until); i++ {
		there <- i
		<-back
	}
}

func answer(there <-chan int, back chan<- int) {
	for i := range there {
		back <- i
	}
}
