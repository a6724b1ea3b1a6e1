package probes

import (
	"testing"
	"time"

	"github.com/netpolltrace/netpolltrace/wait"
)

// A hit costs 10 µs here, so 1,000 hits are the 10 ms that are free in a window.
func TestHowLongTheProbeOfHandoffsIsOut(t *testing.T) {
	price := wait.Price{Trap: 8 * time.Microsecond, Uprobe: 2 * time.Microsecond}
	began := handoffUse{at: time.Unix(100, 0), hits: 500, cpu: time.Second}
	for _, test := range []struct {
		name string
		hits uint64        // since then
		cpu  time.Duration // since then
		want time.Duration
	}{
		{"few hits of an idle program", 1000, 0, 0},
		{"many, of a program that computes a lot", 3000, 1500 * time.Millisecond, 0},
		{"more than its share, but a pause has a least length", 3000, time.Second, handoffPause},
		{"five times its share", 10000, time.Second, 2 * time.Second}, // of half a second
		{"a program that does nothing else", 50000, time.Millisecond, handoffMaxPause},
	} {
		h := handoffWatch{window: began}
		now := handoffUse{at: began.at.Add(handoffWindow / 2), hits: began.hits + test.hits, cpu: began.cpu + test.cpu}
		if got := h.pauseAt(now, price); got != test.want {
			t.Errorf("%s: out for %v, want %v", test.name, got, test.want)
		}
	}
}

func TestTheCostOfHandoffsCountsByWindow(t *testing.T) {
	price := wait.Price{Trap: 10 * time.Microsecond}
	var h handoffWatch
	now := handoffUse{at: time.Unix(100, 0)}
	for range 100 { // 900 hits in each second
		if pause := h.pauseAt(now, price); pause != 0 {
			t.Fatalf("out for %v after %v", pause, now.at.Sub(time.Unix(100, 0)))
		}
		now.at = now.at.Add(handoffInterval)
		now.hits += 90
	}
}
