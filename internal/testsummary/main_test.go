package main

import (
	"bytes"
	"strings"
	"testing"
)

const passed = `{"Action":"start","Package":"p"}
{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"=== RUN   TestA\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"--- PASS: TestA (0.00s)\n"}
{"Action":"pass","Package":"p","Test":"TestA","Elapsed":0}
{"Action":"output","Package":"p","Test":"TestB","Output":"=== RUN   TestB\n"}
{"Action":"output","Package":"p","Test":"TestB","Output":"    b_test.go:3: takes root\n"}
{"Action":"output","Package":"p","Test":"TestB","Output":"--- SKIP: TestB (0.00s)\n"}
{"Action":"skip","Package":"p","Test":"TestB","Elapsed":0}
{"Action":"output","Package":"p","Output":"PASS\n"}
{"Action":"output","Package":"p","Output":"ok  \tp\t0.1s\n"}
{"Action":"pass","Package":"p","Elapsed":0.1}
`

const failed = `{"Action":"output","Package":"p","Test":"TestC","Output":"    c_test.go:9: got 1, want 2\n"}
{"Action":"fail","Package":"p","Test":"TestC","Elapsed":0}
{"Action":"output","Package":"p","Output":"FAIL\n"}
{"Action":"output","Package":"p","Output":"FAIL\tp\t0.1s\n"}
{"Action":"fail","Package":"p","Elapsed":0.1}
`

func summarise(t *testing.T, verbose bool, input string) (text string, err error) {
	t.Helper()
	var out bytes.Buffer
	s := newSummary(&out, verbose)
	if err := s.read(strings.NewReader(input)); err != nil {
		t.Fatal(err)
	}
	err = s.end()
	return out.String(), err
}

func TestWhatPassesIsNotShown(t *testing.T) {
	text, err := summarise(t, false, passed)
	if err != nil {
		t.Error(err)
	}
	const want = "    b_test.go:3: takes root\n--- SKIP: TestB (0.00s)\nok  \tp\t0.1s\n\n1 passed, 0 failed, 1 skipped\n"
	if text != want {
		t.Errorf("got %q\nwant %q", text, want)
	}
}

func TestVerboseShowsAll(t *testing.T) {
	text, err := summarise(t, true, passed)
	if err != nil {
		t.Error(err)
	}
	for _, want := range []string{"=== RUN   TestA\n", "--- PASS: TestA (0.00s)\n", "--- SKIP: TestB", "ok  \tp"} {
		if strings.Count(text, want) != 1 {
			t.Errorf("%q is not there once: %q", want, text)
		}
	}
}

func TestFailuresAreShownAndFail(t *testing.T) {
	for name, input := range map[string]string{
		"test":         failed,
		"package":      `{"Action":"output","Package":"p","Output":"panic: oh\n"}` + "\n" + `{"Action":"fail","Package":"p"}` + "\n",
		"build":        passed + `{"ImportPath":"q","Action":"build-output","Output":"q.go:1:1: oh\n"}` + "\n" + `{"ImportPath":"q","Action":"build-fail"}` + "\n",
		"nothing ran":  "",
		"go test died": "go: go.mod file not found\n",
	} {
		text, err := summarise(t, false, input)
		if err == nil {
			t.Errorf("%s: taken for success: %q", name, text)
		}
		for _, said := range []string{"got 1, want 2\n", "panic: oh\n", "q.go:1:1: oh\n", "go.mod file not found\n"} {
			if strings.Contains(input, strings.TrimSuffix(said, "\n")) && !strings.Contains(text, said) {
				t.Errorf("%s: %q is missing in %q", name, said, text)
			}
		}
	}
}

func TestVerboseShowsFailuresAgainAtTheEnd(t *testing.T) {
	text, err := summarise(t, true, failed+passed)
	if err == nil {
		t.Error("taken for success")
	}
	_, end, _ := strings.Cut(text, "What did not pass, again:\n")
	for _, want := range []string{"got 1, want 2\n", "FAIL\tp\t0.1s\n", "1 passed, 1 failed, 1 skipped\n"} {
		if !strings.Contains(end, want) {
			t.Errorf("%q is not at the end: %q", want, text)
		}
	}
	if strings.Contains(end, "takes root") {
		t.Errorf("what was skipped is shown as a failure: %q", end)
	}
}
