// Package doctor finds out what can be recorded on this machine, and of a
// process if one is given: what works, what does not, and how to fix it.
//
// On Linux it does not go by versions. Hooks are attached, modes are tried on an
// exchange of this program's own, and the probes are put into the process for
// a moment, as a recording would do. What is found are facts; the checks that
// judge them are tables of small functions without side effects. On macOS and
// FreeBSD it asks dtrace(1).
package doctor
