package safejson_test

import (
	"encoding/json"
	"strconv"
	"testing"

	"github.com/netpolltrace/netpolltrace/internal/safejson"
)

// What is written reads back as it was, and holds nothing that does not print.
func TestStrings(t *testing.T) {
	for text, want := range map[string]string{
		"":                      `""`,
		"10.0.0.7:5432":         `"10.0.0.7:5432"`,
		`a"b\c`:                 `"a\"b\\c"`,
		"new\nline\x00":         `"new\nline\u0000"`,
		"\x1b[2J":               `"\u001b[2J"`,
		"\x7f\u0085":            `"\u007f\u0085"`,
		"\u202egnp.exe\u200b":   `"\u202egnp.exe\u200b"`,
		"世界 😀 é":                `"世界 😀 é"`,
		"tag \U000e0041 \u00a0": `"tag \udb40\udc41 \u00a0"`,
	} {
		got := safejson.AppendString([]byte("["), []byte(text))
		if string(got) != "["+want {
			t.Errorf("%q is written as %s, want [%s", text, got, want)
		}
		whole, err := safejson.Marshal(text)
		if err != nil || string(whole) != want {
			t.Errorf("%q is marshaled as %s, %v, want %s", text, whole, err, want)
		}
		var back string
		if err := json.Unmarshal(whole, &back); err != nil || back != text {
			t.Errorf("%s is read as %q, %v", whole, back, err)
		}
	}
}

func TestBytesThatAreNoText(t *testing.T) {
	if got := string(safejson.AppendString(nil, []byte("a\xff\xfeb"))); got != `"a\ufffd\ufffdb"` {
		t.Errorf("got %s", got)
	}
}

func TestNumbersThatAreNone(t *testing.T) {
	inf, err := strconv.ParseFloat("+Inf", 64)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := safejson.Marshal(inf); err == nil {
		t.Errorf("+Inf is written as %s", text)
	}
}
