// Package guest is what runs inside the machines of the kernel matrix: tests
// that record small programs by each backend and hold what was recorded against
// what the programs know of themselves. `make test-kernels` builds it into a
// static test binary and boots it with each kernel.
//
// A machine is an emulated one, so that nothing here asserts how short
// something is: delays may only be longer than a program made them.
package guest
