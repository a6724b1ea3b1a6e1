package process

import "testing"

func TestMappings(t *testing.T) {
	for line, want := range map[string]mapping{
		"7f0c4a600000-7f0c4a7d3000 r-xp 00026000 08:01 393229                     /lib/libc.so.6": {0x7f0c4a600000, 0x7f0c4a7d3000, 0x26000, "/lib/libc.so.6"},
		"7f0c4a600000-7f0c4a7d3000 r--p 00026000 08:01 393229                     /lib/libc.so.6": {},
		"7ffd0c9c6000-7ffd0c9c8000 r-xp 00000000 00:00 0                          [vdso]":         {},
		"7ffd0c9c6000-7ffd0c9c8000 rwxp 00000000 00:00 0 ":                                        {},
		"":                      {},
		"x-y r-xp z 08:01 1 /a": {},
	} {
		got, ok := parseMapping(line)
		if got != want || ok != (want != mapping{}) {
			t.Errorf("%q: %+v, %v", line, got, ok)
		}
	}
}
