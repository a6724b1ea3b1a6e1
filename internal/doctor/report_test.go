package doctor

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

func sample() *Report {
	return &Report{
		Version: 1, Of: "process 7 (api)", Recordable: []string{"io", "all"},
		Sections: []Section{
			{Name: "Machine", Findings: []Finding{
				{Name: "kernel", State: OK, Detail: "6.12.0 amd64"},
				{Name: "tracefs", State: Warn, Detail: "not mounted", Fix: "mount it"},
			}},
			{Name: "Hooks", Findings: []Finding{
				{Name: "uprobes", State: Fail, Detail: "none works", Parts: []Finding{
					{Name: "perf events", State: Note, Detail: "refused"},
					{Name: strings.Repeat("x", widestName+1), State: Note, Detail: "too wide"},
				}},
			}},
		},
	}
}

func TestTextOfAReport(t *testing.T) {
	var out strings.Builder
	if err := sample().WriteText(&out); err != nil {
		t.Fatal(err)
	}
	want := `MACHINE
  ok    kernel   6.12.0 amd64
  warn  tracefs  not mounted
                 fix: mount it

HOOKS
  FAIL  uprobes        none works
  -       perf events  refused
  -       xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx  too wide

Of process 7 (api) can be recorded: io, all.
`
	if out.String() != want {
		t.Errorf("the text is\n%s\nwant\n%s", out.String(), want)
	}
}

func TestTheVerdictOnNothing(t *testing.T) {
	r := Report{Of: "this machine"}
	if v := r.Verdict(); v != "Of this machine nothing can be recorded: fix what is marked FAIL, from the top." {
		t.Errorf("the verdict is %q", v)
	}
}

// A program's name, its path and what its pclntab says are a stranger's.
func TestHostileNamesDoNotReachTheTerminal(t *testing.T) {
	const hostile = "\x1b[2J\u202eevil\r\n\x00\xff"
	r := Report{Of: hostile, Sections: []Section{{Name: "Process", Findings: []Finding{
		{Name: hostile, State: Fail, Detail: hostile, Fix: hostile, Parts: []Finding{{Name: hostile, State: OK, Detail: hostile}}},
	}}}}
	var out bytes.Buffer
	if err := r.WriteText(&out); err != nil {
		t.Fatal(err)
	}
	if i := strings.IndexAny(out.String(), "\x1b\u202e\r\x00"); i >= 0 {
		t.Errorf("the text holds %q", out.String()[i])
	}
	if lines := strings.Count(out.String(), "\n"); lines != 6 {
		t.Errorf("%d lines, want 6:\n%q", lines, out.String())
	}
}

func TestAReportAsJSON(t *testing.T) {
	var out bytes.Buffer
	if err := sample().WriteJSON(&out); err != nil {
		t.Fatal(err)
	}
	var back Report
	if err := json.Unmarshal(out.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	if back.Verdict() != sample().Verdict() || len(back.Sections) != 2 || back.Sections[1].Findings[0].Parts[0].Name != "perf events" {
		t.Errorf("read back: %+v", back)
	}
}
