package report

import (
	"path"
	"strings"
)

// ShortFunc is a function's name without the folders of its package's path:
// example.org/shop/cache.Get becomes cache.Get.
func ShortFunc(name string) string {
	base, _, _ := strings.Cut(name, "[") // the paths of type arguments stay
	return name[strings.LastIndexByte(base, '/')+1:]
}

// ShortLine names a line for people: cache.Get cart.go:88.
func ShortLine(function, line string) string {
	return strings.TrimSpace(ShortFunc(function) + " " + path.Base(line))
}
