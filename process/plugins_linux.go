package process

import (
	"bufio"
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/netpolltrace/netpolltrace/gobinary"
	"github.com/netpolltrace/netpolltrace/wait"
)

// mapping is a part of an executable file that a process has mapped to run it:
// a line of /proc/PID/maps.
type mapping struct {
	start, end uint64
	offset     uint64 // in the file
	path       string // as the process sees it
}

// plugins are the files besides the executable that a process has loaded: Go
// plugins, whose functions are known, and C libraries, whose are not. Files
// are opened when an address in them is asked for. The methods may be called
// concurrently.
type plugins struct {
	process *Process

	mu     sync.Mutex
	maps   []mapping
	read   time.Time                   // when maps was read
	opened map[string]*gobinary.Binary // by path; nil for what is no Go file
}

// mapsInterval is how old the list of mappings is at least when it is read
// again for an address that it does not have.
const mapsInterval = time.Second

// find is the mapping that an address of the process is in.
func (p *plugins) find(pc uint64) (mapping, bool) {
	for fresh := false; ; fresh = true {
		for _, m := range p.maps {
			if pc >= m.start && pc < m.end {
				return m, true
			}
		}
		if fresh || time.Since(p.read) < mapsInterval {
			return mapping{}, false
		}
		p.maps, p.read = p.process.executableMappings(), time.Now()
	}
}

// at is the Go file that an address of the process is in, and the address
// there. It is nil for what is in no Go file; file is the path of what it is in,
// empty for nothing.
func (p *plugins) at(pc uint64) (b *gobinary.Binary, addr uint64, file string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	m, ok := p.find(pc)
	if !ok {
		return nil, 0, ""
	}
	b, known := p.opened[m.path]
	if !known {
		b = p.open(m)
		p.opened[m.path] = b
	}
	if b == nil {
		return nil, 0, m.path
	}
	if addr, ok = b.AddrAt(pc - m.start + m.offset); !ok {
		return nil, 0, m.path
	}
	return b, addr, m.path
}

// funcAt finds the function that an address of the process is in. Its Entry is
// one of the process, too.
func (p *plugins) funcAt(pc uint64) (gobinary.Func, bool) {
	b, addr, _ := p.at(pc)
	if b == nil {
		return gobinary.Func{}, false
	}
	f, ok := b.FuncAt(addr)
	f.Entry += pc - addr
	return f, ok
}

// frames are those at an address of the process outside its executable, and the
// plugin that they are in. What is in none goes by the name of its file, in
// brackets.
func (p *plugins) frames(pc uint64) ([]wait.Frame, *gobinary.Binary) {
	b, addr, file := p.at(pc)
	if b != nil {
		if frames := b.Frames(addr); frames != nil {
			return frames, b
		}
	}
	if file == "" {
		return []wait.Frame{{Func: "[unknown]"}}, nil
	}
	return []wait.Frame{{Func: "[" + path.Base(file) + "]"}}, nil
}

// open is nil for a file that is no Go file, or cannot be read any more.
func (p *plugins) open(m mapping) *gobinary.Binary {
	b, err := gobinary.Open(procPath(p.process.PID, fmt.Sprintf("map_files/%x-%x", m.start, m.end)))
	if err != nil {
		return nil
	}
	return b
}

func (p *plugins) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, b := range p.opened {
		if b != nil {
			_ = b.Close() // it was only read
		}
	}
}

// executableMappings are the files that the process has mapped to run them;
// none where it cannot be read, as after it exited.
func (p *Process) executableMappings() []mapping {
	f, err := os.Open(procPath(p.PID, "maps"))
	if err != nil {
		return nil
	}
	defer f.Close()
	var list []mapping
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if m, ok := parseMapping(lines.Text()); ok {
			list = append(list, m)
		}
	}
	return list
}

// parseMapping reads a line of /proc/PID/maps; see proc_pid_maps(5):
//
//	7f0c4a600000-7f0c4a7d3000 r-xp 00026000 08:01 393229  /lib/libc.so.6
func parseMapping(line string) (mapping, bool) {
	const fields = 6
	words := strings.Fields(line)
	if len(words) < fields || !strings.Contains(words[1], "x") || !strings.HasPrefix(words[5], "/") {
		return mapping{}, false
	}
	from, to, _ := strings.Cut(words[0], "-")
	start, err1 := strconv.ParseUint(from, 16, 64)
	end, err2 := strconv.ParseUint(to, 16, 64)
	offset, err3 := strconv.ParseUint(words[2], 16, 64)
	if err1 != nil || err2 != nil || err3 != nil {
		return mapping{}, false
	}
	return mapping{start, end, offset, words[5]}, true
}
