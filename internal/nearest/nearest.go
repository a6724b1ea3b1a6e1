// Package nearest finds the names that a mistyped one may have been meant to be.
package nearest

import (
	"cmp"
	"slices"
	"strings"
)

// most is how many names are worth reading in one line.
const most = 3

// Names are those of names that a word is like, the most likely first: three at
// most. A word is like a name if one contains the other, or if it becomes the name
// by a few edits of single letters: one for each three letters of the word.
func Names(word string, names []string) []string {
	word = strings.ToLower(word)
	distances := make(map[string]int)
	for _, name := range names {
		edits := distance(word, name)
		if edits <= (len(word)+2)/3 || contain(word, name) {
			distances[name] = edits
		}
	}
	likely := make([]string, 0, len(distances))
	for name := range distances {
		likely = append(likely, name)
	}
	slices.SortFunc(likely, func(a, b string) int {
		return cmp.Or(cmp.Compare(distances[a], distances[b]), strings.Compare(a, b))
	})
	return likely[:min(len(likely), most)]
}

// Question asks which of the names that a word is like was meant, as something to
// add to a sentence: ` (did you mean peer or peer_ip?)`. It is empty if there is
// none.
func Question(word string, names []string) string {
	likely := Names(word, names)
	if len(likely) == 0 {
		return ""
	}
	last := len(likely) - 1
	text := likely[last]
	if last > 0 {
		text = strings.Join(likely[:last], ", ") + " or " + text
	}
	return " (did you mean " + text + "?)"
}

// contain tells whether one text contains the other. What is shorter than three
// letters is in too many.
func contain(a, b string) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	return len(a) >= 3 && strings.Contains(b, a)
}

// distance is how many letters are to be put in, left out or replaced to make b
// of a (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1) // of the first letters of a, for each start of b
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
