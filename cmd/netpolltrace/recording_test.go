//go:build unix

package main

import "testing"

func TestARecordingIsNamedAfterItsPrograms(t *testing.T) {
	for _, c := range []struct {
		names []string
		want  string
	}{
		{[]string{"shop"}, "shop"},
		{[]string{"shop", "shop", "shop"}, "shop"},
		{[]string{"shop", "stock"}, "shop+1"},
		{[]string{"shop", "stock", "shop", "mail", "stock"}, "shop+2"},
	} {
		if got := programsName(c.names); got != c.want {
			t.Errorf("programs %q are called %q, want %q", c.names, got, c.want)
		}
	}
}
