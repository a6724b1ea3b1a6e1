// Small waits in the netpoller with as little of the standard library as that
// takes: it is built for many systems, by many releases of Go.
package main

import "os"

func main() {
	r, w, err := os.Pipe()
	if err != nil {
		os.Exit(1)
	}
	go w.Write([]byte{0})
	r.Read(make([]byte, 1))
}
