package expression

import (
	"regexp"
	"strings"
	"time"
	"unicode/utf8"
)

// rewritten is an expression whose durations were made calls that the library
// understands: 2ms became duration("2ms").
type rewritten struct {
	text  string
	edits []edit
}

// edit is one replacement, in characters: [from, to) of the new text stands
// for what began at origin.
type edit struct {
	from, to int
	origin   int
	shrink   int // by how much the old text was shorter
}

// rewriteDurations looks at whole tokens only: what stands in a string, a
// comment or a name stays as it is.
func rewriteDurations(text string) rewritten {
	var out strings.Builder
	var result rewritten
	end, grown := 0, 0
	for _, at := range tokens().FindAllStringIndex(text, -1) {
		word := text[at[0]:at[1]]
		if !isDuration(word) {
			continue
		}
		out.WriteString(text[end:at[0]])
		end = at[1]
		call := `duration("` + word + `")`
		origin := utf8.RuneCountInString(text[:at[0]])
		shrink := len(call) - len(word)
		result.edits = append(result.edits, edit{
			from: origin + grown, to: origin + grown + utf8.RuneCountInString(call),
			origin: origin, shrink: shrink,
		})
		grown += shrink
		out.WriteString(call)
	}
	out.WriteString(text[end:])
	result.text = out.String()
	return result
}

// column gives the column of the original text for one of the new text, both
// in characters from 0.
func (r rewritten) column(column int) int {
	shrunk := 0
	for _, e := range r.edits {
		if column < e.from {
			break
		}
		if column < e.to {
			return e.origin
		}
		shrunk += e.shrink
	}
	return column - shrunk
}

// isDuration tells whether the token is a duration with a unit. A bare 0 is
// one for Go, and a number here.
func isDuration(token string) bool {
	first, last := token[0], token[len(token)-1]
	if (first < '0' || first > '9') && first != '.' || last >= '0' && last <= '9' {
		return false
	}
	_, err := time.ParseDuration(token)
	return err == nil
}

// tokens matches, one after the other, the tokens in which a duration could be
// hidden or which a duration could be: strings (also without their end, which
// is the compiler's to report), comments, names, numbers.
func tokens() *regexp.Regexp {
	return regexp.MustCompile(`"(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?|` + "`[^`]*`?" +
		`|//[^\n]*|(?s:/\*.*?\*/)` +
		`|[\pL_$][\pL\pN_$]*` +
		`|\.?[0-9][0-9A-Za-z_.µμ]*`)
}
