// Hung is a plugin with a goroutine that waits for what does not come.
package main

// Start starts the goroutine, and returns when that is about to wait.
func Start() {
	waits := make(chan struct{})
	go wait(waits)
	<-waits
}

func wait(waits chan struct{}) {
	close(waits)
	for {
		forNothing(make(chan int))
	}
}

//go:noinline
func forNothing(c chan int) { <-c }

func main() {}
