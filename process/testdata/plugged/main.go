// Plugged has a goroutine wait in the plugin that it is given, and says "ready".
package main

import (
	"fmt"
	"io"
	"log"
	"os"
	"plugin"
)

func main() {
	loaded, err := plugin.Open(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	start, err := loaded.Lookup("Start")
	if err != nil {
		log.Fatal(err)
	}
	start.(func())()
	fmt.Println("ready")
	_, _ = io.Copy(io.Discard, os.Stdin)
}
