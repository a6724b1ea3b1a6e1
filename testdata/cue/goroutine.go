package cue

import (
	"bytes"
	"fmt"
	"runtime"
	"strconv"
	"time"
)

// Goid reads the number of the calling goroutine from "goroutine 17 [running]:",
// the one place where the runtime tells it.
func Goid() uint64 {
	text := make([]byte, 64)
	text = text[:runtime.Stack(text, false)]
	text = bytes.TrimPrefix(text, []byte("goroutine "))
	if space := bytes.IndexByte(text, ' '); space >= 0 {
		text = text[:space]
	}
	id, _ := strconv.ParseUint(string(text), 10, 64)
	return id
}

// AwaitParked returns when a goroutine waits for a reason, in the words of stack
// dumps ("IO wait" is the netpoller's). It must get there by itself.
func AwaitParked(goid uint64, reason string) {
	parked := []byte(fmt.Sprintf("goroutine %d [%s", goid, reason))
	text := make([]byte, 1<<20)
	for !bytes.Contains(text[:runtime.Stack(text, true)], parked) {
		time.Sleep(100 * time.Microsecond)
	}
}
