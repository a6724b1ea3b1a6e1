// Command boundary holds the boundary rule: which packages of ours each package
// may import, which are portable, and who may use a library. Its test holds the
// sources against the tables. Run, it prints the portable packages, which CI vets
// for other systems.
package main

import "fmt"

func main() {
	for _, p := range packages {
		if p.portable {
			fmt.Println("./" + p.folder)
		}
	}
}
