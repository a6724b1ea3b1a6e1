package render

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/olekukonko/tablewriter/pkg/twwidth"
)

// Printable replaces whatever could move the cursor, change the direction of
// the text or hide in it: control and format characters, odd spaces and bytes
// that are not UTF-8. They are written as Go would write them in a string.
func Printable(s string) string {
	clean := true
	for _, r := range s {
		if r == utf8.RuneError || !strconv.IsPrint(r) {
			clean = false
			break
		}
	}
	if clean {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if strconv.IsPrint(r) && (r != utf8.RuneError || size > 1) {
			b.WriteString(s[i : i+size])
		} else {
			quoted := strconv.QuoteToASCII(s[i : i+size])
			b.WriteString(quoted[1 : len(quoted)-1])
		}
		i += size
	}
	return b.String()
}

// markdownSafe makes text of what Markdown or HTML would act upon.
func markdownSafe(s string) string {
	var b strings.Builder
	for _, r := range Printable(s) {
		switch {
		case r == '<':
			b.WriteString("&lt;")
		case r == '>':
			b.WriteString("&gt;")
		case r == '&':
			b.WriteString("&amp;")
		case strings.ContainsRune("\\`*_[]|#~!@$", r):
			b.WriteByte('\\')
			b.WriteRune(r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

const ellipsis = "…"

// keepTail shortens a text that says the most at its end, such as a path.
func keepTail(s string, columns int) string {
	if twwidth.Width(s) <= columns {
		return s
	}
	runes := []rune(s)
	used, from := twwidth.Width(ellipsis), len(runes)
	for from > 0 && used+twwidth.Width(string(runes[from-1])) <= columns {
		from--
		used += twwidth.Width(string(runes[from]))
	}
	return ellipsis + string(runes[from:])
}

// keepEnds shortens a text in its middle: hosts and ports differ at both ends.
func keepEnds(s string, columns int) string {
	if twwidth.Width(s) <= columns {
		return s
	}
	head := columns / 3
	runes := []rune(s)
	used, to := 0, 0
	for to < len(runes) && used+twwidth.Width(string(runes[to])) <= head {
		used += twwidth.Width(string(runes[to]))
		to++
	}
	return string(runes[:to]) + keepTail(string(runes[to:]), columns-used)
}
