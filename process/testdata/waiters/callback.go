//go:build cgo

package main

// void waitInGo(void);
// static void callBack(void) { waitInGo(); }
import "C"

// callback waits in Go that was called by C that was called by Go.
func callback() { go func() { C.callBack() }() }

//export waitInGo
func waitInGo() {
	note(Waiter{Kind: "callback", FD: -1})
	<-make(chan int)
}
