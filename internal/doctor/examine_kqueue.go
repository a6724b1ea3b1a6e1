//go:build darwin || freebsd

package doctor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"github.com/netpolltrace/netpolltrace/gobinary"
	dtrace "github.com/netpolltrace/netpolltrace/kqueue_dtrace"
	"github.com/netpolltrace/netpolltrace/process"
	"github.com/netpolltrace/netpolltrace/wait"
)

// Opener opens the process that is to be recorded.
type Opener func() (*process.Process, error)

// Examine looks at this machine, and at a process where open is not nil. That
// the process cannot be opened is a finding; the error is of not being able to
// try scripts.
func Examine(ctx context.Context, open Opener) (*Report, error) {
	f := lookAtDTrace(ctx)
	if open == nil {
		return examineDTrace(f, nil, nil), nil
	}
	p, err := open()
	if err != nil {
		return examineDTrace(f, nil, err), nil
	}
	s, err := lookAtSubject(ctx, f, p)
	if err != nil {
		return nil, err
	}
	return examineDTrace(f, s, nil), nil
}

func lookAtDTrace(ctx context.Context) *dtraceFacts {
	f := &dtraceFacts{system: runtime.GOOS, arch: runtime.GOARCH, uid: os.Geteuid()}
	f.path, _ = exec.LookPath("dtrace") // not found is empty
	if runtime.GOOS == "darwin" {
		status, err := exec.CommandContext(ctx, "csrutil", "status").Output()
		if err == nil {
			f.protection = strings.TrimSpace(string(status))
		}
	}
	if runtime.GOOS == "freebsd" {
		f.loaded = exec.CommandContext(ctx, "kldstat", "-q", "-m", "dtrace").Run() == nil
	}
	if f.path != "" && f.uid == 0 {
		f.trial = complaint(ctx, f.path, "-q", "-n", "BEGIN { exit(0); }")
	}
	return f
}

// complaint is what dtrace(1) says where it fails; empty where it does not.
func complaint(ctx context.Context, path string, args ...string) string {
	said, err := exec.CommandContext(ctx, path, args...).CombinedOutput()
	switch text := strings.TrimSpace(string(said)); {
	case err == nil:
		return ""
	case text == "":
		return err.Error()
	default:
		return text
	}
}

func lookAtSubject(ctx context.Context, f *dtraceFacts, p *process.Process) (*dtraceSubject, error) {
	s := &dtraceSubject{pid: p.PID, name: p.Name, exe: p.Exe}
	binary, err := gobinary.Open(p.Exe)
	if err != nil {
		s.unread = err
		return s, nil
	}
	defer binary.Close()
	s.goVersion, s.arch = binary.GoVersion, binary.Arch
	for _, mode := range []wait.Mode{wait.ModeIO, wait.ModeAll} {
		tried := dtraceScript{mode: mode}
		var script *dtrace.Script
		if script, tried.err = dtrace.NewScript(binary, mode); tried.err == nil && f.path != "" && f.uid == 0 {
			if tried.trial, err = tryScript(ctx, f.path, script, p.PID); err != nil {
				return nil, err
			}
		}
		s.scripts = append(s.scripts, tried)
	}
	return s, nil
}

// tryScript has dtrace list the probes of a script in a process, without putting
// them in; it returns what it said if it cannot.
func tryScript(ctx context.Context, path string, script *dtrace.Script, pid int) (said string, err error) {
	file, err := os.CreateTemp("", "netpolltrace-*.d")
	if err != nil {
		return "", fmt.Errorf("trying a script: %w", err)
	}
	_, err = script.WriteTo(file)
	if err = errors.Join(err, file.Close()); err == nil {
		said = complaint(ctx, path, "-l", "-s", file.Name(), "-p", fmt.Sprint(pid))
	}
	return said, errors.Join(err, os.Remove(file.Name()))
}
