// Package realworld tests netpolltrace, as its users run it, on programs that
// do not know it: servers of Debian under load, a program under the worst that
// a garbage collector and a scheduler can do, and files that are out to harm
// whoever looks at them.
//
// The first two take minutes and are asked for by make test-real and make
// soak.
package realworld
