// Package boundary is a test of the boundary rule: its tables say which packages of
// ours each package may import, which are portable, and who may use a library.
package boundary
