package dtrace

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// printed matches what a template prints as a record.
var printed = regexp.MustCompile(`\\nNPT1 ([^"]*)\\n"`)

// Scripts print what the table of fields says.
func TestScriptsPrintTheProtocol(t *testing.T) {
	text := strings.NewReplacer("{{.ParkFrames.Verbs}}", frames(parkFrames).Verbs(), "{{.WakerFrames.Verbs}}", frames(wakerFrames).Verbs()).Replace(scriptText)
	seen := make(map[byte]bool)
	for _, m := range printed.FindAllStringSubmatch(text, -1) {
		words := strings.Fields(m[1])
		kind := words[0][0]
		seen[kind] = true
		want := fields[kind]
		if len(words)-1 != len(want) {
			t.Errorf("%q has %d fields, want %d", m[0], len(words)-1, len(want))
			continue
		}
		for i, word := range words[1:] {
			verb, isVerb := strings.CutPrefix(word, "%")
			number := want[i] != 'w' && strings.Trim(word, "-0123456789") == ""
			if isVerb && verb != want[i:i+1] || !isVerb && want[i] != 'w' && !number {
				t.Errorf("%q: field %d is %s, want %c", m[0], i, word, want[i])
			}
		}
	}
	for kind := range fields {
		if !seen[kind] {
			t.Errorf("no record of kind %c is printed", kind)
		}
	}
}

func TestLinesThatAreNoRecords(t *testing.T) {
	for line, problem := range map[string]string{
		"dtrace: 12 drops on CPU 0":         "",
		"":                                  "",
		"NPT2 P 1 0 1 a":                    "",
		"NPT1 P 1 0 1 c000":                 "ok",
		"NPT1 ":                             "unknown kind",
		"NPT1 Y 1":                          "unknown kind",
		"NPT1 P 1 0 1":                      "ends after 3",
		"NPT1 P 1 0 1 ":                     "ends after 3",
		"NPT1 P 1 0 1 c000 5":               "goes on",
		"NPT1 P 1 0 one c000":               "invalid syntax",
		"NPT1 P 1 0 1 xyz":                  "invalid syntax",
		"NPT1 Q 99999999999999999999 0 1 1": "out of range",
	} {
		var r record
		ok, err := parse([]byte(line), &r)
		switch {
		case problem == "" && (ok || err != nil):
			t.Errorf("%q is taken for a record: %v", line, err)
		case problem == "ok" && (!ok || err != nil):
			t.Errorf("%q is no record: %v", line, err)
		case problem != "" && problem != "ok" && (!ok || err == nil || !strings.Contains(err.Error(), problem)):
			t.Errorf("%q: %v, want %q", line, err, problem)
		}
	}
}

// FuzzParse reads lines that may be anything, and reads again what it understood.
func FuzzParse(f *testing.F) {
	for kind, forms := range fields {
		line := prefix + " " + string(kind)
		for i, form := range forms {
			line += map[rune]string{'d': fmt.Sprintf(" %d", i*1000), 'x': fmt.Sprintf(" %x", i*77), 'w': " word"}[form]
		}
		f.Add(line)
		f.Add(line[:len(line)/2])
		f.Add(line + " -1")
	}
	f.Fuzz(func(t *testing.T, line string) {
		var r record
		ok, err := parse([]byte(line), &r)
		if !ok || err != nil {
			return
		}
		var again record
		if ok, err := parse([]byte(r.text()), &again); !ok || err != nil || again.number != r.number || again.time != r.time {
			t.Errorf("%q reads as %q, which reads otherwise: %v", line, r.text(), err)
		}
	})
}

// text is a record as it is printed.
func (r *record) text() string {
	line := prefix + " " + string(r.kind)
	for i, form := range fields[r.kind] {
		switch form {
		case 'd':
			line += fmt.Sprintf(" %d", int64(r.number[i]))
		case 'x':
			line += fmt.Sprintf(" %x", r.number[i])
		case 'w':
			line += " " + r.words[r.number[i]]
		}
	}
	return line
}
