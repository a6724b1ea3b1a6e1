package compatibility_test

import (
	"cmp"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/netpolltrace/netpolltrace/internal/compatibility"
)

const page = `# Page
Words before.
<!-- planets: begin -->

| | size | rings |
|---|---|---|
| earth | 1 | no |
| saturn | 9 | yes |

<!-- planets: end -->
Words after.
`

func write(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "page.md")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestATableKeepsWhatWasNotTried(t *testing.T) {
	file := write(t, page)
	table, err := compatibility.Read(file, "planets", "moons", "size")
	if err != nil {
		t.Fatal(err)
	}
	table.Set("mars", "moons", "2")
	table.Set("earth", "moons", "1 | one")
	table.Set("earth", "colour", "blue") // no such column
	if err := table.Write(cmp.Compare[string]); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := `# Page
Words before.
<!-- planets: begin -->

| | moons | size |
|---|---|---|
| earth | 1 / one | 1 |
| mars | 2 | – |
| saturn | – | 9 |

<!-- planets: end -->
Words after.
`
	if string(got) != want {
		t.Errorf("the page is\n%s\nwant\n%s", got, want)
	}
}

func TestAPageWithoutTheTable(t *testing.T) {
	_, err := compatibility.Read(write(t, page), "stars", "size")
	if err == nil || !strings.Contains(err.Error(), "<!-- stars: begin -->") {
		t.Errorf("the error is %v; want one that says where the table belongs", err)
	}
}
