package cue

import (
	"bufio"
	"context"
	"os"
	"runtime/trace"
	"strconv"
	"syscall"
	"unsafe"
)

// clockMarks is how many marks are put at either end of a trace: the fastest
// of several is the most exact.
const clockMarks = 20

// clockMonotonic is CLOCK_MONOTONIC of clock_gettime(2), the clock that BPF
// programs read as well.
const clockMonotonic = 1

// Trace runs a function while the execution tracer writes to a file. If the
// name is empty it only runs the function.
//
// The trace holds log events of category "clock" whose message is
// CLOCK_MONOTONIC in nanoseconds, read just before the event was stamped: until
// Go 1.21 traces have a clock of their own, and this is how to relate the two.
func Trace(name string, run func() error) (err error) {
	if name == "" {
		return run()
	}
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	defer closeInto(file, &err)
	// In memory until the end, so that the tracer's own writing adds few waits.
	buffer := bufio.NewWriterSize(file, 64<<20)
	if err := trace.Start(buffer); err != nil {
		return err
	}
	markClock()
	err = run()
	markClock()
	trace.Stop()
	if err != nil {
		return err
	}
	return buffer.Flush()
}

func closeInto(file *os.File, err *error) {
	if closing := file.Close(); *err == nil {
		*err = closing
	}
}

func markClock() {
	for i := 0; i < clockMarks; i++ {
		trace.Log(context.Background(), "clock", strconv.FormatInt(Monotonic(), 10))
	}
}

// Monotonic is CLOCK_MONOTONIC in nanoseconds.
func Monotonic() int64 {
	var now syscall.Timespec
	syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, clockMonotonic, uintptr(unsafe.Pointer(&now)), 0)
	return now.Nano()
}
