// Package rights names the rights that watching a program takes, and tells
// which of them this process has. Linux splits root's rights into capabilities,
// so that root itself is not needed; docs/rights.md says which are, and what
// for.
//
// Nobody asks here before doing something: whether it works is found out by
// doing it. This package says what to do about it when the kernel refused.
package rights
