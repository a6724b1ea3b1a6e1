package recording

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/netpolltrace/netpolltrace/wait"
)

// longTarget is a target whose texts are all far too long and made of c.
func longTarget(c string) *wait.Target {
	text := strings.Repeat(c, 2*maxMetaText/len(c))
	t := &wait.Target{
		Exe: text, PID: 1 << 62, Go: text, BuildID: text, GOMAXPROCS: 1 << 62, Mode: wait.Mode(text),
		Unmeasured: longReasons(text),
	}
	for range 100 {
		t.Args = append(t.Args, text)
	}
	t.Modules = &wait.Modules{Own: t.Args, Libraries: t.Args, MainPackage: text, GOROOT: text}
	return t
}

func longReasons(text string) map[wait.Part]string {
	reasons := make(map[wait.Part]string)
	for i := range 100 {
		reasons[wait.Part(fmt.Sprint(i, text))] = text
	}
	return reasons
}

// In the worst case each byte of a name is written as six.
func TestMetadataStaysBelowTheLimitOfReaders(t *testing.T) {
	for _, c := range []string{"\x01", "<", "\u2028", "\\", "é", "x", "\xff"} {
		text := strings.Repeat(c, 2*maxMetaText/len(c))
		meta := &wait.Meta{Host: text, Kernel: text, Arch: text, Tool: text, Unmeasured: longReasons(text)}
		target := longTarget(c)
		for range 2 * maxMetaTargets {
			meta.Targets = append(meta.Targets, *target)
			meta.Probes = append(meta.Probes, text)
		}
		encoded, err := encodeMeta(meta)
		put(t, err)
		sum := 0
		for i, key := range encoded.Keys() {
			sum += len(key) + len(encoded.Values()[i])
		}
		if limit := int(Limits{}.orDefaults().Metadata); sum > limit/2 {
			t.Errorf("of %q the metadata has %d bytes; readers take %d, with the columns", c, sum, limit)
		}
		bounded := boundedTarget(*target)
		marshaled, err := json.Marshal(bounded)
		put(t, err)
		if len(marshaled) > roomForTarget+1<<10 {
			t.Errorf("of %q a target has %d bytes of JSON", c, len(marshaled))
		}
		var file bytes.Buffer
		w, err := NewWriter(&file, meta, Options{})
		put(t, err, w.Close())
		r, err := NewReader(&file, Limits{})
		put(t, err)
		if n := len(r.Meta().Targets); n != maxMetaTargets || r.Meta().Targets[n-1].Exe == "" {
			t.Errorf("of %q %d targets are read", c, n)
		}
	}
}

// What is short stays as it is.
func TestBoundsLeaveMetadataAlone(t *testing.T) {
	meta := sampleMeta()
	if bounded := boundedMeta(meta); !reflect.DeepEqual(bounded, meta) {
		t.Errorf("bounded:\n%+v\nwas\n%+v", bounded, meta)
	}
}
