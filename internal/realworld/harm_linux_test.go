package realworld

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
)

// kernelObjects are the BPF objects that a process holds, by ID. Other
// processes' are none of our business, so that two of these tests can run side
// by side.
type kernelObjects struct {
	programs map[ebpf.ProgramID]bool
	maps     map[ebpf.MapID]bool
	links    map[link.ID]bool
}

func newKernelObjects() *kernelObjects {
	return &kernelObjects{make(map[ebpf.ProgramID]bool), make(map[ebpf.MapID]bool), make(map[link.ID]bool)}
}

// add reads them from a process's descriptors; see bpf's fdinfo in proc(5).
// It returns how many programs it found.
func (k *kernelObjects) add(t *testing.T, pid int) (programs int) {
	t.Helper()
	infos, err := filepath.Glob(fmt.Sprintf("/proc/%d/fdinfo/*", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, info := range infos {
		text, err := os.ReadFile(info)
		if err != nil {
			continue // closed since
		}
		for line := range strings.Lines(string(text)) {
			key, value, _ := strings.Cut(line, ":")
			id, err := strconv.ParseUint(strings.TrimSpace(value), 10, 32)
			switch {
			case err != nil:
			case key == "prog_id":
				k.programs[ebpf.ProgramID(id)] = true
				programs++
			case key == "map_id":
				k.maps[ebpf.MapID(id)] = true
			case key == "link_id":
				k.links[link.ID(id)] = true
			}
		}
	}
	return programs
}

// left are those that the kernel still has.
func (k *kernelObjects) left() (names []string) {
	for id := range k.programs {
		if p, err := ebpf.NewProgramFromID(id); err == nil {
			names = append(names, fmt.Sprintf("program %d %v", id, p))
			p.Close()
		}
	}
	for id := range k.maps {
		// Not opened: closing the last descriptor of an array of programs a
		// second time, while it is being emptied because of the first, makes
		// the kernel keep it for ever (prog_array_map_clear, kernel/bpf/arraymap.c).
		if next, err := ebpf.MapGetNextID(id - 1); err == nil && next == id {
			names = append(names, fmt.Sprintf("map %d", id))
		}
	}
	for id := range k.links {
		if l, err := link.NewFromID(id); err == nil {
			names = append(names, fmt.Sprintf("link %d", id))
			l.Close()
		}
	}
	return names
}

// gone checks that none is left, once the kernel has had the time to free them,
// and forgets them: numbers are used again.
func (k *kernelObjects) gone(t *testing.T) {
	t.Helper()
	if !eventually(10*time.Second, func() bool { return len(k.left()) == 0 }) {
		t.Errorf("left in the kernel: %v", k.left())
	}
	*k = *newKernelObjects()
}

// noTraceEvents checks that tracefs lists no probe on a file.
func noTraceEvents(t *testing.T, exe string) {
	t.Helper()
	events, err := os.ReadFile("/sys/kernel/tracing/uprobe_events")
	if errors.Is(err, os.ErrNotExist) {
		return // tracefs is not mounted, or has no uprobes
	}
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(events)) {
		if strings.Contains(line, exe) {
			t.Errorf("left in uprobe_events: %s", line)
		}
	}
}

// image is what a process has of its executable in memory.
type image struct {
	pid        int
	executable map[string]bool // executable mappings: addresses and file
}

func newImage(t *testing.T, pid int) image {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		t.Fatal(err)
	}
	i := image{pid: pid, executable: make(map[string]bool)}
	for line := range strings.Lines(string(text)) {
		// The kernel makes room of its own in a process that has had probes.
		if fields := strings.Fields(line); strings.Contains(fields[1], "x") && !strings.HasPrefix(fields[len(fields)-1], "[uprobes") {
			i.executable[line] = true
		}
	}
	return i
}

// unharmed checks that the process has the same code mapped as before, and that
// its code is, byte for byte, that of its file.
func (i image) unharmed(t *testing.T) {
	t.Helper()
	if now := newImage(t, i.pid); !maps.Equal(now.executable, i.executable) {
		t.Errorf("executable mappings were\n%v, and are\n%v", i.executable, now.executable)
	}
	file, err := os.Open(fmt.Sprintf("/proc/%d/exe", i.pid))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	executable, err := elf.NewFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text := executable.Section(".text")
	want, err := text.Data()
	if err != nil {
		t.Fatal(err)
	}
	memory, err := os.Open(fmt.Sprintf("/proc/%d/mem", i.pid))
	if err != nil {
		t.Fatal(err)
	}
	defer memory.Close()
	got := make([]byte, len(want))
	at := int64(text.Addr + i.bias(t, executable))
	if _, err := io.ReadFull(io.NewSectionReader(memory, at, int64(len(got))), got); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("the process's code differs from its file")
	}
}

// bias is how far from its addresses in the file the executable was loaded.
func (i image) bias(t *testing.T, executable *elf.File) uint64 {
	t.Helper()
	if executable.Type != elf.ET_DYN {
		return 0
	}
	exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", i.pid))
	if err != nil {
		t.Fatal(err)
	}
	for mapping := range i.executable {
		fields := strings.Fields(mapping)
		if fields[len(fields)-1] != exe {
			continue
		}
		start, err1 := strconv.ParseUint(fields[0][:strings.Index(fields[0], "-")], 16, 64)
		offset, err2 := strconv.ParseUint(fields[2], 16, 64)
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		for _, p := range executable.Progs {
			if p.Type == elf.PT_LOAD && p.Flags&elf.PF_X != 0 {
				return start - offset - (p.Vaddr - p.Off)
			}
		}
	}
	t.Fatalf("%s is not mapped", exe)
	return 0
}
