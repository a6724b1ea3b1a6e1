package realworld

import (
	"debug/elf"
	"debug/gosym"
	"strconv"
	"strings"
	"testing"

	"github.com/netpolltrace/netpolltrace/wait"
)

// lineTable is the functions and lines of an executable as the standard library
// reads them.
type lineTable struct {
	table   *gosym.Table
	checked map[string]bool // frames that were held against it
}

func newLineTable(t *testing.T, exe string) *lineTable {
	t.Helper()
	file, err := elf.Open(exe)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	section := file.Section(".gopclntab")
	if section == nil {
		section = file.Section(".data.rel.ro.gopclntab")
	}
	if section == nil {
		t.Fatalf("%s has no section .gopclntab", exe)
	}
	data, err := section.Data()
	if err != nil {
		t.Fatal(err)
	}
	table, err := gosym.NewTable(nil, gosym.NewLineTable(data, file.Section(".text").Addr))
	if err != nil {
		t.Fatal(err)
	}
	return &lineTable{table: table, checked: make(map[string]bool)}
}

// agree checks each frame of each stack: if there is a function of that name,
// the line must be one of its file, within it. (The standard library does not
// tell what was inlined: frames of functions that are only ever inlined are
// looked up by file and line.)
func (l *lineTable) agree(t *testing.T, waits []wait.Wait) {
	t.Helper()
	frames, wrong := 0, 0
	for i := range waits {
		stack := waits[i].Stack
		if stack == nil || l.checked[stack.Funcs+stack.Lines] {
			continue
		}
		l.checked[stack.Funcs+stack.Lines] = true
		functions, lines := strings.Split(stack.Funcs, ";"), strings.Split(stack.Lines, ";")
		for j, function := range functions {
			frames++
			if why := l.disagrees(function, lines[j]); why != "" {
				if wrong++; wrong <= 5 {
					t.Errorf("frame %s %s: %s", function, lines[j], why)
				}
			}
		}
	}
	if frames == 0 || wrong > 0 {
		t.Errorf("%d of %d frames are not as debug/gosym has them", wrong, frames)
	}
}

func (l *lineTable) disagrees(function, place string) string {
	key := function + " " + place
	if l.checked[key] {
		return ""
	}
	l.checked[key] = true
	colon := strings.LastIndex(place, ":")
	line, err := strconv.Atoi(place[colon+1:])
	if err != nil {
		return "no line: " + err.Error()
	}
	if _, _, err := l.table.LineToPC(place[:colon], line); err != nil {
		return err.Error()
	}
	if f := l.table.LookupFunc(function); f != nil {
		if file, first, _ := l.table.PCToLine(f.Entry); file != place[:colon] || line < first {
			return "the function begins at " + file + ":" + strconv.Itoa(first)
		}
	}
	return ""
}
