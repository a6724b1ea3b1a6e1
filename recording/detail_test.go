package recording

import (
	"fmt"
	"strings"
	"testing"

	"github.com/netpolltrace/netpolltrace/wait"
)

func TestDetailsAreReadByTheKindOfTheirEvent(t *testing.T) {
	for _, c := range []struct {
		kind       wait.EventKind
		attributes string
		want       string
	}{
		{wait.EventCPU, `{"gomaxprocs":16,"quota_cpus":1.5}`, "&{Interval:0s GOMAXPROCS:16 Quota:1.5 Online:0 Allowed:0}"},
		{wait.EventMode, `{"mode":"io"}`, "&{Mode:io}"},
		{wait.EventMode, `{"mode":"io","novelty":[{"a":1}]}`, "&{Mode:io}"}, // of a later version
		{wait.EventRunDelay, `{}`, "&{Interval:0s}"},
		{wait.EventCPU, ``, "<nil>"},
		{wait.EventLost, `{"mode":"io"}`, "<nil>"}, // a kind without figures
		{"novelty", `{"mode":"io"}`, "<nil>"},
		// What no recorder writes.
		{wait.EventMode, `{"mode":1}`, "<nil>"},
		{wait.EventMode, `{"mode":"io"`, "<nil>"},
		{wait.EventMode, `mode=io`, "<nil>"},
		{wait.EventMode, `"io"`, "<nil>"},
		{wait.EventThrottled, `{"periods":-1}`, "<nil>"},
		{wait.EventThrottled, `{"throttled_ns":1e300}`, "<nil>"},
		{wait.EventCPU, `{"quota_cpus":1e999}`, "<nil>"},
		{wait.EventTarget, `{"target":` + strings.Repeat("[", 30_000), "<nil>"},
		{wait.EventMode, `{"mode":"` + strings.Repeat("x", maxAttributes) + `"}`, "<nil>"},
	} {
		if got := fmt.Sprintf("%+v", decodeDetail(c.kind, c.attributes)); got != c.want {
			t.Errorf("%s with %.40q is read as %s, want %s", c.kind, c.attributes, got, c.want)
		}
	}
}

// What joins while recording fits into the attributes, whatever it is called.
func TestADetailOfALongNameIsCut(t *testing.T) {
	change := &wait.TargetChange{State: wait.TargetJoined, Target: longTarget("\x01")}
	text := encodeDetail(change)
	read, ok := decodeDetail(wait.EventTarget, text).(*wait.TargetChange)
	if !ok || read.State != wait.TargetJoined || !strings.HasPrefix(change.Target.Exe, read.Target.Exe) || read.Target.Exe == "" {
		t.Errorf("%d bytes of attributes are read as %+v", len(text), read)
	}
}

func FuzzDetail(f *testing.F) {
	for _, attributes := range []string{`{"mode":"io"}`, `{"target":{"pid":1,"args":["a"],"unmeasured":{"idle":"x"}}}`, `null`, `{"periods":1e9}`} {
		f.Add("target", attributes)
	}
	f.Fuzz(func(t *testing.T, kind, attributes string) {
		detail := decodeDetail(wait.EventKind(kind), attributes)
		if detail == nil {
			return
		}
		if detail.EventKind() != wait.EventKind(kind) {
			t.Fatalf("an event %s has a detail of %s", kind, detail.EventKind())
		}
		encodeDetail(detail)
	})
}
