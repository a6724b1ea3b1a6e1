package vm

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"syscall"
)

// The words that a machine's first process puts before what it has to say:
// which kernel runs, and the status with which the test ended.
const (
	releaseWord = "VM-RELEASE"
	statusWord  = "VM-EXIT-STATUS"
)

var (
	releaseLine = regexp.MustCompile(`(?m)^` + releaseWord + ` (\S+)`)
	statusLine  = regexp.MustCompile(`(?m)^` + statusWord + ` (\d+)`)
)

// clock makes a machine's time the number of instructions that it has executed,
// 4 ns each, and skips time in which all its processors wait. So nothing that
// the real machine does meanwhile shows in a guest's times; and one thread
// emulates all processors by turns. Where two did, one ran into code that the
// other had just patched, as attaching a probe does: Linux 7.2 died of it.
// See https://www.qemu.org/docs/master/devel/tcg-icount.html.
const clock = "shift=2,sleep=off"

// memory of a machine, in MiB: it holds the archives and what is unpacked of them.
const memory = "2048"

// Run is what came of a machine.
type Run struct {
	Release string // the kernel's own name; empty if it did not come up
	Status  int    // of the test; -1 if it did not end
	Tests   []Test // those that have no tests below them, in the order of their ends
	Console []byte
}

// Boot has a machine run its test with these arguments, and returns when it has
// switched itself off. The context should have a deadline: a machine may hang.
// The kernels are Fetch's, the archives Build's and others to go with it; dir is
// for files of this boot's own.
func Boot(ctx context.Context, m Machine, kernels string, archives []string, dir string, args ...string) (*Run, error) {
	args = append([]string{"-test.v=test2json", "-programs=" + Programs, "-releases=" + Releases, "-kernel=" + m.Kernel}, args...)
	initrd, err := withArguments(ctx, archives, dir, args)
	if err != nil {
		return nil, err
	}
	hardware := hardwareOf[m.Arch]
	qemu := exec.CommandContext(ctx, hardware.qemu, append(slices.Clone(hardware.options),
		"-accel", "tcg", "-icount", clock, "-m", memory, "-smp", m.processors(), "-display", "none", "-nodefaults", "-no-reboot", "-serial", "stdio",
		"-kernel", kernelFile(kernels, m), "-initrd", initrd,
		"-append", "console="+hardware.console+" loglevel=1 panic=-1")...)
	// No machine outlives a test that is killed; the signal comes when the
	// starting thread ends.
	qemu.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var console, complaints bytes.Buffer
	qemu.Stdout, qemu.Stderr = &console, &complaints
	if err := qemu.Run(); err != nil && ctx.Err() == nil {
		return nil, fmt.Errorf("running %s: %w\n%s", hardware.qemu, err, complaints.Bytes())
	}
	run := &Run{Status: -1, Console: bytes.ReplaceAll(console.Bytes(), []byte("\r"), nil)}
	if match := releaseLine.FindSubmatch(run.Console); match != nil {
		run.Release = string(match[1])
	}
	if match := statusLine.FindSubmatch(run.Console); match != nil {
		if run.Status, err = strconv.Atoi(string(match[1])); err != nil {
			return nil, fmt.Errorf("reading the console of %s: %w", m, err)
		}
	}
	run.Tests, err = tests(run.Console)
	return run, err
}
