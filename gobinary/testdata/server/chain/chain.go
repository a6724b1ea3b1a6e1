// Package chain has calls that the compiler inlines into each other.
package chain

// Outer calls f through two inlined functions, one of them generic.
func Outer(f func() []uintptr) []uintptr {
	return middle(f)
}

func middle(f func() []uintptr) []uintptr {
	pcs := inner[int](f)
	return pcs
}

func inner[T any](f func() []uintptr) []uintptr {
	return f()
}
