//go:build !go1.21
// +build !go1.21

package main

// multipathFamilies are none: package net has no MPTCP before Go 1.21.
func multipathFamilies() []family { return nil }
