// Package safejson writes JSON that is harmless on a terminal: what comes from a
// traced program could otherwise move the cursor, change the direction of the text
// or hide in it. Such characters are written as escapes that mean the same.
package safejson

import (
	"encoding/json"
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// Marshal is [json.Marshal] without characters that a terminal acts upon.
func Marshal(value any) ([]byte, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	return escaped(text), nil
}

// AppendString appends a text as a JSON string. Bytes that are not UTF-8 become
// U+FFFD.
func AppendString(b, text []byte) []byte {
	if isPlain(text) {
		b = append(b, '"')
		b = append(b, text...)
		return append(b, '"')
	}
	quoted, err := Marshal(string(text))
	if err != nil {
		return append(b, "null"...) // a string can always be written
	}
	return append(b, quoted...)
}

// isPlain tells whether a text stands in a JSON string as it is.
func isPlain(text []byte) bool {
	for _, c := range text {
		if c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// escaped escapes what is left in JSON: all of it stands in strings.
func escaped(text []byte) []byte {
	if isASCII(text) {
		return text
	}
	var safe []byte
	for _, r := range string(text) {
		switch {
		case strconv.IsPrint(r):
			safe = utf8.AppendRune(safe, r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			safe = fmt.Appendf(safe, `\u%04x\u%04x`, high, low)
		default:
			safe = fmt.Appendf(safe, `\u%04x`, r)
		}
	}
	return safe
}

// isASCII also rules out DEL, the one control character that JSON lets pass.
func isASCII(text []byte) bool {
	for _, c := range text {
		if c >= 0x7f {
			return false
		}
	}
	return true
}
